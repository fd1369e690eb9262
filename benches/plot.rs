//! Pictures of how figures grow with the number of speakers, into target/plots.

use std::path::PathBuf;

use plotters::prelude::*;

const SIZE: (u32, u32) = (720, 420);
const COLOURS: [RGBColor; 4] =
    [RGBColor(0x1f, 0x77, 0xb4), RGBColor(0xd6, 0x7d, 0x00), RGBColor(0x2c, 0x8a, 0x2c), RGBColor(0x8a, 0x3f, 0xb0)];

/// A line with its name, as points of speakers and a figure.
pub type Line<'a> = (&'a str, Vec<(f64, f64)>);

/// Draws one picture; with fewer than two points there is nothing to see.
pub fn growth(name: &str, figure: &str, lines: &[Line]) {
    let points = || lines.iter().flat_map(|(_, points)| points);
    if lines.iter().any(|(_, points)| points.len() < 2) {
        return;
    }
    let far = points().map(|point| point.0).fold(0.0, f64::max) * 1.05;
    let high = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    let dir = PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("plots");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(format!("{name}.svg"));
    let area = SVGBackend::new(&path, SIZE).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..far, 0.0..high)
        .unwrap();
    chart.configure_mesh().x_desc("speakers").y_desc(figure).max_light_lines(0).draw().unwrap();
    for ((name, points), colour) in lines.iter().zip(COLOURS) {
        let style = colour.stroke_width(2);
        let line = chart.draw_series(LineSeries::new(points.iter().copied(), style).point_size(3)).unwrap();
        line.label(*name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
    }
    let mut labels = chart.configure_series_labels();
    labels
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .unwrap();
    area.present().unwrap();
}
