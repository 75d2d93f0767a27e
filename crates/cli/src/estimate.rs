//! `vram estimate`: an estimate as table, JSON, CSV, Markdown or SVG.

use serde_json::{Value, json};
use vram_core::host::Host;
use vram_core::ledger::{Category, Instant};
use vram_core::model::weights::Evidence;
use vram_core::units::Bytes;
use vram_core::why::why;
use vram_core::{Estimate, Scenario, link};
use vram_text::{
    Lang, Unit, Verdict, Word, category, derived, evidence, format_bytes, headline, instant, name, notice,
    peak_label, phase, verdict, why_this_peak,
};

use crate::failure::Failure;
use crate::output::{Format, Table};

/// How a result is printed.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// As table, JSON, …
    pub format: Format,
    /// The unit of sizes.
    pub unit: Unit,
    /// The language of words.
    pub lang: Lang,
}

/// Prints an estimate, and what the model's weights say of it.
///
/// # Errors
/// [`Failure::Output`].
pub fn print(
    estimate: &Estimate,
    scenario: &Scenario,
    of_weights: Option<&Evidence>,
    style: &Style,
) -> Result<String, Failure> {
    let Style { format, unit, lang } = *style;
    let below = || of_weights.map(|of| format!("\n{}\n", evidence(of, lang))).unwrap_or_default();
    match format {
        Format::Json => {
            let mut json = json(estimate, scenario);
            if let (Some(of), Value::Object(keys)) = (of_weights, &mut json) {
                keys.insert("weights".to_owned(), crate::weights::json(of));
            }
            Ok(json.to_string() + "\n")
        }
        Format::Csv => entries(estimate, lang).csv(),
        Format::Markdown => Ok(text(estimate, scenario, unit, lang, Table::markdown) + &below()),
        Format::Table => Ok(text(estimate, scenario, unit, lang, Table::text) + &below()),
        Format::Svg => crate::estimate::svg(estimate, scenario, unit, lang),
    }
}

fn svg(estimate: &Estimate, scenario: &Scenario, unit: Unit, lang: Lang) -> Result<String, Failure> {
    let input = chart_input(estimate, scenario, unit, lang);
    let phase = match lang {
        Lang::En => |moment| phase(moment, Lang::En).to_owned(),
        Lang::Zh => |moment| phase(moment, Lang::Zh).to_owned(),
    };
    let timeline = vram_chart::TimelineTexts {
        input: vram_chart::TimelineInput {
            points: estimate.timeline.clone(),
            capacity: scenario.gpu.capacity,
            selected: None,
        },
        title: Word::Timeline.in_lang(lang).to_owned(),
        phase,
    };
    vram_chart::svg(&input, &timeline, 900, &vram_chart::Theme::LIGHT).map_err(Failure::Output)
}

/// What the chart shows of an estimate.
pub fn chart_input(estimate: &Estimate, scenario: &Scenario, unit: Unit, lang: Lang) -> vram_chart::Input {
    vram_chart::Input {
        bars: estimate
            .present()
            .map(|total| vram_chart::Bar {
                instant: total.instant,
                segments: total.categories,
                label: instant(total.instant, lang).to_owned(),
                value: format_bytes(total.requested, unit),
                is_peak: total.instant == estimate.peak,
            })
            .collect(),
        ghost: None,
        capacity: scenario.gpu.capacity,
        capacity_label: format_bytes(scenario.gpu.capacity, unit),
        legend: Category::ALL.map(|of| (of, category(of, lang).to_owned())).to_vec(),
        selected: None,
    }
}

fn band(band: vram_core::estimate::Band) -> Value {
    json!({ "low": band.low.get(), "likely": band.likely.get(), "high": band.high.get() })
}

fn categories(total: &vram_core::estimate::InstantTotal) -> Value {
    Category::ALL
        .iter()
        .map(|&category| (category.key().to_owned(), json!(total.category(category).get())))
        .collect()
}

/// What a rank and a node hold in host memory.
fn host(host: &Host) -> Value {
    let of = |ranks: u64| {
        json!({
            "requested": host.requested().times(ranks).get(),
            "allocated": host.allocated().times(ranks).get(),
            "pinned": host.pinned().times(ranks).get(),
        })
    };
    let entries = host.tensors.iter().map(|tensor| {
        json!({
            "name": tensor.name.key(),
            "category": tensor.category.key(),
            "dtype": tensor.dtype.torch_name(),
            "bytes": tensor.bytes().get(),
            "allocated": tensor.allocated.get(),
            "pinned": tensor.is_pinned,
        })
    });
    json!({
        "rank": of(1),
        "node": of(host.ranks_of_a_node),
        "ranks_of_a_node": host.ranks_of_a_node,
        "entries": entries.collect::<Vec<_>>(),
    })
}

/// The kinds of rank of a pipeline, the most loaded first.
fn ranks(scenario: &Scenario) -> Vec<Value> {
    let one = |rank: &vram_core::estimate::Rank| {
        json!({
            "stage": rank.stage,
            "stages": rank.stages,
            "layers": rank.layers,
            "embedding": rank.has_embedding,
            "head": rank.has_head,
            "peak": rank.peak.get(),
        })
    };
    vram_core::estimate::ranks(scenario).unwrap_or_default().iter().map(one).collect()
}

/// The estimate as JSON, sizes in bytes. Others rely on its keys.
pub fn json(estimate: &Estimate, scenario: &Scenario) -> Value {
    let peak = estimate.at_peak();
    let instants: Vec<Value> = estimate
        .present()
        .map(|total| {
            json!({
                "name": total.instant.key(),
                "requested": total.requested.get(),
                "allocated": total.allocated.get(),
                "categories": categories(total),
            })
        })
        .collect();
    let entries: Vec<Value> = estimate
        .entries
        .iter()
        .map(|entry| {
            json!({
                "name": entry.name.key(),
                "category": entry.category.key(),
                "formula": entry.formula(),
                "substituted": entry.substituted(),
                "dtype": entry.dtype.torch_name(),
                "bytes": entry.bytes().get(),
                "instants": entry.instants.iter().map(Instant::key).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "schema": 1,
        "peak": {
            "instant": estimate.peak.key(),
            "requested": peak.requested.get(),
            "allocated": estimate.allocated.get(),
            "reserved": band(estimate.reserved),
            "device": estimate.device.likely.get(),
            "device_range": band(estimate.device),
        },
        "notices": estimate.notices.iter().map(|notice| notice.key()).collect::<Vec<_>>(),
        "derived": vram_core::evidence::derived(scenario)
            .iter()
            .map(|(key, choice)| format!("{key}={choice}"))
            .collect::<Vec<_>>(),
        "paged": estimate.paged.get(),
        "host": host(&estimate.host),
        "parameters": estimate.parameters,
        "gpu": { "id": scenario.gpu.id, "capacity": scenario.gpu.capacity.get() },
        "verdict": Verdict::of(estimate, scenario.gpu.capacity).key(),
        "ranks": ranks(scenario),
        "categories": categories(peak),
        "instants": instants,
        "entries": entries,
        "link": link::write(scenario),
    })
}

/// Every entry that is alive at the peak, largest first.
fn entries(estimate: &Estimate, lang: Lang) -> Table {
    let mut alive: Vec<_> = estimate.alive(estimate.peak).collect();
    alive.sort_by_key(|entry| std::cmp::Reverse(entry.bytes()));
    let rows = alive.iter().map(|entry| {
        vec![
            category(entry.category, lang).to_owned(),
            name(entry.name, lang),
            entry.formula(),
            entry.substituted(),
            entry.bytes().get().to_string(),
        ]
    });
    let header = [Word::Category, Word::Entry, Word::Formula, Word::InNumbers, Word::Size];
    Table {
        header: header.map(|word| word.in_lang(lang).to_owned()).to_vec(),
        rows: rows.collect(),
        numbers: 4,
    }
}

fn text(
    estimate: &Estimate,
    scenario: &Scenario,
    unit: Unit,
    lang: Lang,
    print: fn(&Table) -> String,
) -> String {
    let size = |bytes: Bytes| format_bytes(bytes, unit);
    let peak = estimate.at_peak();
    let word = |word: Word| word.in_lang(lang);
    let heading = format!(
        "{}: {}\n{}: {}\n{} {} · {} {}–{} · {} {}–{}\n\n{}\n\n{}\n\n",
        peak_label(estimate, lang),
        size(peak.requested),
        Verdict::of(estimate, scenario.gpu.capacity).word(lang),
        verdict(estimate, scenario, unit, lang),
        word(Word::Allocated),
        size(estimate.allocated),
        word(Word::Reserved),
        size(estimate.reserved.low),
        size(estimate.reserved.high),
        word(Word::OnTheDevice),
        size(estimate.device.low),
        size(estimate.device.high),
        headline(estimate, scenario, unit, lang),
        why_this_peak(&why(scenario, estimate), estimate, unit, lang),
    );
    let heading = estimate.notices.iter().fold(heading, |text, &of| text + notice(of, lang) + "\n\n");
    let heading = match derived(&vram_core::evidence::derived(scenario), lang) {
        Some(text) => heading + &text + "\n\n",
        None => heading,
    };
    let paged = if estimate.paged > Bytes::ZERO {
        format!("{}: {}\n\n", word(Word::PagedLabel), size(estimate.paged))
    } else {
        String::new()
    };
    let host = if estimate.host.tensors.is_empty() {
        String::new()
    } else {
        let Host { ranks_of_a_node, .. } = estimate.host;
        let node = size(estimate.host.allocated().times(ranks_of_a_node));
        let rank = size(estimate.host.allocated());
        format!("{}: {rank} · {ranks_of_a_node} × = {node}\n\n", word(Word::HostLabel))
    };
    heading
        + &paged
        + &host
        + &print(&moments(estimate, unit, lang))
        + "\n"
        + &print(&readable_entries(estimate, unit, lang))
}

/// Instants by category.
fn moments(estimate: &Estimate, unit: Unit, lang: Lang) -> Table {
    let used: Vec<Category> = Category::ALL
        .into_iter()
        .filter(|&category| estimate.instants.iter().any(|total| total.category(category) > Bytes::ZERO))
        .collect();
    let mut header = vec![Word::Moment.in_lang(lang).to_owned()];
    header.extend(used.iter().map(|&used| category(used, lang).to_owned()));
    header.push(Word::Total.in_lang(lang).to_owned());
    let rows = estimate.present().map(|total| {
        let mut row = vec![instant(total.instant, lang).to_owned()];
        row.extend(used.iter().map(|&used| format_bytes(total.category(used), unit)));
        row.push(format_bytes(total.requested, unit));
        row
    });
    Table { header, rows: rows.collect(), numbers: 1 }
}

fn readable_entries(estimate: &Estimate, unit: Unit, lang: Lang) -> Table {
    let mut table = entries(estimate, lang);
    table.header.remove(3);
    table.numbers = 3;
    for row in &mut table.rows {
        row.remove(3);
        if let Some(size) = row.last_mut() {
            *size = format_bytes(Bytes::new(size.parse().unwrap_or_default()), unit);
        }
    }
    table
}
