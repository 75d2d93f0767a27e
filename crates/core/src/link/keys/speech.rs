//! The encoder of sound in front of a decoder.

use super::{Key, always, is_set, none_for_zero, zero_for_none};
use crate::link::count;
use crate::model::Speech;
use crate::scenario::{Scenario, limits};
use crate::units::Count;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "mel_bins",
        write: |s| zero_for_none(s.model.architecture.speech.map(|speech| speech.mel_bins)),
        read: |s, field, text| {
            let bins = none_for_zero(field, text, limits::CHANNELS)?;
            let speech = &mut s.model.architecture.speech;
            *speech = bins.map(|mel_bins| Speech { mel_bins, ..speech.unwrap_or(ONE_FRAME) });
            Ok(())
        },
        words: &[],
        matters: hears,
        applies: hears,
    },
    of_part!("source_positions", limits::SEQUENCE_LENGTH, speech, Count::ONE, |speech| speech.positions)
        .when(hears),
    of_part!("encoder_layers", limits::LAYERS, speech, Count::ONE, |speech| speech.layers).when(hears),
    of_part!("encoder_heads", limits::HEADS, speech, Count::ONE, |speech| speech.heads).when(hears),
    of_part!("encoder_ffn", limits::WIDTH, speech, Count::ONE, |speech| speech.ffn).when(hears),
    flag_of_part!("inner_drop", speech, |speech| speech.inner_dropout).when(hears),
];

/// What a link says nothing of, where it says that sound is read.
const ONE_FRAME: Speech = Speech {
    mel_bins: Count::ONE,
    positions: Count::ONE,
    layers: Count::ONE,
    heads: Count::ONE,
    ffn: Count::ONE,
    inner_dropout: false,
};

fn hears(scenario: &Scenario) -> bool {
    scenario.model.architecture.speech.is_some()
}
