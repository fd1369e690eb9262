//! A picture of a simulation: what part of the boards had come how far, over time. Draws; counts nothing.

use std::path::Path;

use plotters::prelude::*;

use super::counters::{Counters, Sample, Timed};

const SIZE: (u32, u32) = (960, 520);
/// Points of a curve; more cannot be seen.
const POINTS: usize = 400;

/// Writes an SVG file with one cumulative curve for each stage that was reached.
pub fn write(path: &Path, counters: &Counters) -> Result<(), String> {
    let speakers = counters.now().speakers.max(1) as f64;
    let curves = [
        ("connected", Timed::Connect, RGBColor(0x1f, 0x77, 0xb4)),
        ("plan accepted", Timed::Plan, RGBColor(0xd6, 0x7d, 0x00)),
        ("all content whole", Timed::Content, RGBColor(0x2c, 0x8a, 0x2c)),
        ("record acknowledged", Timed::Record, RGBColor(0x8a, 0x3f, 0xb0)),
    ]
    .map(|(name, kind, colour)| (name, cumulative(&counters.samples(kind), speakers), colour));
    let svg = draw(&curves, counters.elapsed_s()).map_err(|e| format!("the picture cannot be drawn: {e}"))?;
    std::fs::write(path, svg).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

type Curve = (&'static str, Vec<(f64, f64)>, RGBColor);

/// Seconds, and per cent of the boards.
fn cumulative(samples: &[Sample], speakers: f64) -> Vec<(f64, f64)> {
    let mut at_ms: Vec<f64> = samples.iter().map(|sample| sample.at_ms).collect();
    at_ms.sort_by(f64::total_cmp);
    let last = at_ms.len().saturating_sub(1);
    let step = at_ms.len().div_ceil(POINTS).max(1);
    let points = at_ms.iter().enumerate().filter(|(index, _)| index % step == 0 || *index == last);
    points.map(|(index, ms)| (ms / 1000.0, (index + 1) as f64 / speakers * 100.0)).collect()
}

fn draw(curves: &[Curve], elapsed_s: f64) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let highest = curves.iter().flat_map(|(_, points, _)| points).map(|point| point.1).fold(100.0, f64::max);
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..elapsed_s.max(0.1), 0.0..highest)?;
        chart.configure_mesh().x_desc("seconds").y_desc("% of speakers").light_line_style(WHITE).draw()?;
        for (name, points, colour) in curves.iter().filter(|(_, points, _)| !points.is_empty()) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_rise_to_the_whole_and_the_picture_names_them() {
        let samples: Vec<_> = (0..1_000).map(|n| Sample { at_ms: f64::from(n), took_ms: 1.0 }).collect();
        let curve = cumulative(&samples, 1_000.0);
        assert!(curve.len() <= POINTS + 1 && curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        assert_eq!(curve.last().unwrap().1, 100.0);
        let svg = draw(&[("connected", curve, BLUE), ("never", vec![], RED)], 1.0).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("connected") && !svg.contains("never"), "{svg}");
    }
}
