//! Why the peak is where it is, as a paragraph.

use vram_core::Estimate;
use vram_core::ledger::Entry;
use vram_core::scenario::Checkpointing;
use vram_core::why::{Change, Moved, Why};

use crate::{Lang, Unit, format_bytes, format_count, instant, instant_in, name, optimizer};

/// Which moment binds, which entries weigh most there, what comes next, and which single change would move the peak.
pub fn why_this_peak(why: &Why, estimate: &Estimate, unit: Unit, lang: Lang) -> String {
    let leading: Vec<String> = why.leading.iter().map(|entry| one(entry, unit, lang)).collect();
    let leading = leading.join(lang.pick("; ", "；"));
    let below = format_bytes(why.below, unit);
    let (binds, next) = (instant(estimate.peak, lang), instant(why.runner_up, lang));
    let moved =
        why.moved_by.as_ref().map_or_else(|| unmoved(lang).to_owned(), |moved| moved_by(moved, unit, lang));
    match lang {
        Lang::En => format!(
            "\u{201c}{binds}\u{201d} binds. Most of it: {leading}. Next is \u{201c}{next}\u{201d}, {below} below. {moved}"
        ),
        Lang::Zh => {
            format!("决定峰值的时刻是“{binds}”。其中最大的是：{leading}。其次是“{next}”，低 {below}。{moved}")
        }
    }
}

fn one(entry: &Entry, unit: Unit, lang: Lang) -> String {
    let (name, size) = (name(entry.name, lang), format_bytes(entry.bytes(), unit));
    match lang {
        Lang::En => format!("{name}, {size}"),
        Lang::Zh => format!("{name}，{size}"),
    }
}

fn moved_by(moved: &Moved, unit: Unit, lang: Lang) -> String {
    let peak = format_bytes(moved.peak, unit);
    let to = instant_in(moved.to, lang);
    match (moved.change, lang) {
        (Change::Optimizer(to_optimizer), Lang::En) => {
            format!("With {} the peak would be {to}: {peak}.", optimizer(to_optimizer, lang))
        }
        (Change::Optimizer(to_optimizer), Lang::Zh) => {
            format!("换用 {}，峰值会出现在{to}：{peak}。", optimizer(to_optimizer, lang))
        }
        (Change::Checkpointing(Checkpointing::Off), Lang::En) => {
            format!("Without activation checkpointing the peak would be {to}: {peak}.")
        }
        (Change::Checkpointing(Checkpointing::Off), Lang::Zh) => {
            format!("关闭激活检查点，峰值会出现在{to}：{peak}。")
        }
        (Change::Checkpointing(_), Lang::En) => {
            format!("With activation checkpointing the peak would be {to}: {peak}.")
        }
        (Change::Checkpointing(_), Lang::Zh) => {
            format!("开启激活检查点，峰值会出现在{to}：{peak}。")
        }
        (Change::MicroBatch(count), Lang::En) => {
            format!("With a micro-batch of {} the peak would be {to}: {peak}.", format_count(count.get()))
        }
        (Change::MicroBatch(count), Lang::Zh) => {
            format!("微批大小改为 {}，峰值会出现在{to}：{peak}。", format_count(count.get()))
        }
    }
}

const fn unmoved(lang: Lang) -> &'static str {
    lang.pick(
        "Neither checkpointing nor a micro-batch of half, twice or eight times the size would make another moment bind.",
        "切换激活检查点，或把微批改为一半、两倍、八倍，都不会让别的时刻成为峰值。",
    )
}
