//! What a reader reads.

mod accuracy;
mod answer;
mod canvas;
mod chart;
mod details;
mod hand;
mod ledger;
mod legend;
mod mesh;
mod moments;
mod problems;
mod scaling;
mod timeline;
mod why;

pub(crate) use accuracy::Accuracy;
pub(crate) use answer::Answer;
pub(crate) use chart::Chart;
pub(crate) use details::Details;
pub(crate) use hand::HandCalculation;
pub(crate) use ledger::Ledger;
pub(crate) use legend::Legend;
pub(crate) use mesh::Mesh;
pub(crate) use moments::Moments;
pub(crate) use problems::Problems;
pub(crate) use scaling::Scaling;
pub(crate) use timeline::Timeline;
pub(crate) use why::Why;
