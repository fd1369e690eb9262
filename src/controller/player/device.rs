//! Sound devices by the names that the configuration gives: one way to find them, for whoever plays, listens or only looks.

use cpal::SampleFormat;
use cpal::traits::{DeviceTrait, HostTrait};

use crate::audio::RATE_HZ;

/// What a device is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Playing,
    Listening,
}

/// The device of that name (ALSA's own, or the one that people see); the default one for none.
pub fn find(wanted: Option<&str>, usage: Use) -> Result<cpal::Device, String> {
    let host = cpal::default_host();
    let Some(wanted) = wanted else {
        let device = match usage {
            Use::Playing => host.default_output_device(),
            Use::Listening => host.default_input_device(),
        };
        return device.ok_or_else(|| "no sound device was found".into());
    };
    let is_called = |device: &cpal::Device| device.description().is_ok_and(|description| description.name() == wanted);
    let by_name = || match usage {
        Use::Playing => host.output_devices().ok()?.find(is_called),
        Use::Listening => host.input_devices().ok()?.find(is_called),
    };
    host.device_by_id(&cpal::DeviceId::new(host.id(), wanted))
        .or_else(by_name)
        .ok_or_else(|| format!("there is no sound device {wanted:?}"))
}

pub fn name(device: &cpal::Device) -> String {
    device.description().map_or_else(|_| "sound device".to_owned(), |description| description.name().to_owned())
}

/// Channels and sample format at [`RATE_HZ`]: for playing two channels where there are two (both get the same), for listening one; the finest
/// format that is known here.
pub fn choose(device: &cpal::Device, usage: Use) -> Result<(u16, SampleFormat), String> {
    let offers: Vec<_> = match usage {
        Use::Playing => device.supported_output_configs().map(Iterator::collect::<Vec<_>>),
        Use::Listening => device.supported_input_configs().map(Iterator::collect),
    }
    .map_err(|error| format!("{} cannot be asked: {error}", name(device)))?;
    let offered = |channels: u16, format: SampleFormat| {
        offers.iter().any(|offer| {
            (offer.min_sample_rate()..=offer.max_sample_rate()).contains(&RATE_HZ)
                && (offer.channels(), offer.sample_format()) == (channels, format)
        })
    };
    let preferred = if usage == Use::Playing { [2, 1] } else { [1, 2] };
    let formats = [SampleFormat::F32, SampleFormat::I32, SampleFormat::I16];
    preferred
        .into_iter()
        .chain(3..=8)
        .find_map(|channels| {
            formats.into_iter().find(|format| offered(channels, *format)).map(|format| (channels, format))
        })
        .ok_or_else(|| format!("{} offers no format at {RATE_HZ} Hz", name(device)))
}
