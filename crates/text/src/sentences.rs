//! Sentences with numbers: the verdict, what the result says, what the optimizer costs.

use vram_core::Estimate;
use vram_core::gpu;
use vram_core::ledger::{Category, Instant, InstantSet};
use vram_core::ready::Ready;
use vram_core::scenario::{Optimizer, Scenario};
use vram_core::units::Bytes;

use crate::{Lang, Unit, category, format_bytes, instant, instant_in, optimizer};

/// Whether a scenario fits on its GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Even the high end of what is taken on the device is below the capacity.
    Fits,
    /// The tensors fit; what the allocator and CUDA hold beside them may not.
    Tight,
    /// The tensors alone need more than there is.
    Exceeds,
}

impl Verdict {
    /// The verdict on an estimate.
    pub fn of(estimate: &Estimate, capacity: Bytes) -> Self {
        if estimate.allocated > capacity {
            Self::Exceeds
        } else if estimate.device.high > capacity {
            Self::Tight
        } else {
            Self::Fits
        }
    }

    /// A stable word.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Tight => "tight",
            Self::Exceeds => "exceeds",
        }
    }

    /// The word with its mark, which says the same without colour.
    pub const fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::Fits => lang.pick("✓ Fits", "✓ 放得下"),
            Self::Tight => lang.pick("≈ Tight", "≈ 勉强"),
            Self::Exceeds => lang.pick("✗ Does not fit", "✗ 放不下"),
        }
    }
}

/// The headroom in words.
pub fn verdict(estimate: &Estimate, scenario: &Scenario, unit: Unit, lang: Lang) -> String {
    let capacity = scenario.gpu.capacity;
    let allocated = estimate.allocated;
    let size = |bytes| format_bytes(bytes, unit);
    let (left, over) = (size(capacity.saturating_sub(allocated)), size(allocated.saturating_sub(capacity)));
    let card = gpu_name(scenario, lang);
    let capacity = size(capacity);
    match (Verdict::of(estimate, scenario.gpu.capacity), lang) {
        (Verdict::Fits, Lang::En) => format!("{left} below the {capacity} of {card}"),
        (Verdict::Fits, Lang::Zh) => format!("比 {card} 的 {capacity} 少 {left}"),
        (Verdict::Tight, Lang::En) => {
            format!(
                "{left} below the {capacity} of {card}; tight once reserved memory and the CUDA context are counted"
            )
        }
        (Verdict::Tight, Lang::Zh) => {
            format!("比 {card} 的 {capacity} 少 {left}；计入保留显存与 CUDA 上下文后很紧张")
        }
        (Verdict::Exceeds, Lang::En) => format!("{over} more than the {capacity} of {card}"),
        (Verdict::Exceeds, Lang::Zh) => format!("比 {card} 的 {capacity} 多 {over}"),
    }
}

fn gpu_name(scenario: &Scenario, lang: Lang) -> String {
    gpu::find(&scenario.gpu.id).map_or_else(
        || lang.pick("the GPU", "该 GPU").to_owned(),
        |gpu| match lang {
            Lang::En => format!("the {}", gpu.name),
            Lang::Zh => gpu.name.to_owned(),
        },
    )
}

/// The line above the large figure.
pub fn peak_label(estimate: &Estimate, lang: Lang) -> String {
    match lang {
        Lang::En => format!("Peak per GPU, {}", instant_in(estimate.peak, lang)),
        Lang::Zh => format!("每个 GPU 的峰值，出现在{}", instant_in(estimate.peak, lang)),
    }
}

/// A ratio with one decimal.
fn ratio(part: Bytes, whole: Bytes) -> String {
    let whole = u128::from(whole.get().max(1));
    let tenths = (u128::from(part.get()) * 10 + whole / 2) / whole;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// What optimizer states cost beside the weights, and with what `step()` allocates.
pub fn cost_beside_weights(estimate: &Estimate, lang: Lang) -> String {
    let step = estimate.at(Instant::OptimizerStep);
    let weights = step.category(Category::Parameters);
    let states = step.category(Category::OptimizerStates) + step.category(Category::MasterWeights);
    let with_step = states + step.category(Category::Temporaries);
    let (states, with_step) = (ratio(states, weights), ratio(with_step, weights));
    match lang {
        Lang::En => {
            format!("Optimizer states: {states} × the weights; with what step() allocates: {with_step} ×")
        }
        Lang::Zh => {
            format!("优化器状态：权重的 {states} 倍；加上 step() 临时分配的：{with_step} 倍")
        }
    }
}

/// The result as a sentence with its numbers.
pub fn headline(estimate: &Estimate, scenario: &Scenario, unit: Unit, lang: Lang) -> String {
    let mut sentences = vec![largest(estimate, unit, lang)];
    if estimate.peak == Instant::OptimizerStep {
        sentences.push(step(estimate, scenario, unit, lang));
        let peak = estimate.at_peak();
        if peak.category(Category::Activations).get() < peak.requested.get() / 100 {
            let without = lang.pick(
                "Activations play no part in this peak: a smaller batch would not lower it.",
                "激活不影响这个峰值：减小批大小不会让它降低。",
            );
            sentences.push(without.to_owned());
        }
    } else {
        sentences.push(passes(estimate, unit, lang));
    }
    sentences.join(lang.pick(" ", ""))
}

/// Which category takes most of the peak.
fn largest(estimate: &Estimate, unit: Unit, lang: Lang) -> String {
    let total = estimate.at_peak().requested;
    let (of, bytes) = largest_category(estimate);
    let (name, share) = (category(of, lang), percent(bytes, total));
    let (bytes, total) = (format_bytes(bytes, unit), format_bytes(total, unit));
    match lang {
        Lang::En => format!("{bytes} of the {total} at the peak are {} ({share} %).", name.to_lowercase()),
        Lang::Zh => format!("峰值 {total} 之中，{name}占 {bytes}（{share}%）。"),
    }
}

/// What the optimizer keeps, and what it takes inside `step()`.
fn step(estimate: &Estimate, scenario: &Scenario, unit: Unit, lang: Lang) -> String {
    let peak = estimate.at_peak();
    let name = optimizer(scenario.optimizer, lang);
    let states = peak.category(Category::OptimizerStates);
    let taken = peak.category(Category::Temporaries);
    let (kept, more) = (format_bytes(states, unit), format_bytes(taken, unit));
    match (states > Bytes::ZERO, taken > Bytes::ZERO, lang) {
        (true, true, Lang::En) => {
            format!("{name} keeps {kept} between steps and takes {more} more inside step().")
        }
        (true, false, Lang::En) => {
            format!("{name} keeps {kept} between steps and takes nothing more inside step().")
        }
        (false, true, Lang::En) => {
            format!("{name} keeps nothing between steps and takes {more} inside step().")
        }
        (false, false, Lang::En) => format!("{name} keeps nothing and takes nothing inside step()."),
        (true, true, Lang::Zh) => format!("{name}在两步之间保留 {kept}，step() 内再临时占用 {more}。"),
        (true, false, Lang::Zh) => format!("{name}在两步之间保留 {kept}，step() 内不再占用。"),
        (false, true, Lang::Zh) => format!("{name}在两步之间不保留任何状态，step() 内临时占用 {more}。"),
        (false, false, Lang::Zh) => format!("{name}不保留任何状态，step() 内也不占用。"),
    }
}

/// What forward and backward hold at the peak.
fn passes(estimate: &Estimate, unit: Unit, lang: Lang) -> String {
    let peak = estimate.at_peak();
    let of = [Category::Activations, Category::WeightCasts, Category::Temporaries];
    let held = format_bytes(of.into_iter().map(|category| peak.category(category)).sum(), unit);
    match lang {
        Lang::En => format!(
            "Activations, weight casts and temporaries of forward and backward hold {held} at that moment."
        ),
        Lang::Zh => format!("此刻前向与反向的激活、权重副本与临时张量共占 {held}。"),
    }
}

fn largest_category(estimate: &Estimate) -> (Category, Bytes) {
    let peak = estimate.at_peak();
    Category::ALL
        .into_iter()
        .map(|category| (category, peak.category(category)))
        .max_by_key(|&(_, bytes)| bytes)
        .unwrap_or((Category::Parameters, Bytes::ZERO))
}

fn percent(part: Bytes, whole: Bytes) -> u64 {
    let whole = u128::from(whole.get().max(1));
    u64::try_from((u128::from(part.get()) * 100 + whole / 2) / whole).unwrap_or(100)
}

/// When an entry is alive.
pub fn lifetime(instants: InstantSet, lang: Lang) -> String {
    if instants.contains_all(InstantSet::TRAINING) {
        return lang.pick("always", "始终").to_owned();
    }
    let names: Vec<&str> = instants.iter().map(|at| instant(at, lang)).collect();
    names.join(" → ")
}

/// A segment of the chart, for a screen reader and the panel beneath.
pub fn segment(at: Instant, of: Category, bytes: Bytes, unit: Unit, lang: Lang) -> String {
    let size = format_bytes(bytes, unit);
    match lang {
        Lang::En => format!("{}, {}: {size}", instant(at, lang), category(of, lang)),
        Lang::Zh => format!("{}，{}：{size}", instant(at, lang), category(of, lang)),
    }
}

/// What the peak was before the optimizer was changed.
pub fn was(before: Optimizer, peak: Bytes, unit: Unit, lang: Lang) -> String {
    let (name, size) = (optimizer(before, lang), format_bytes(peak, unit));
    match lang {
        Lang::En => format!("It was {size} with {name}; the outlines show it."),
        Lang::Zh => format!("使用 {name} 时为 {size}，见图中的轮廓线。"),
    }
}

/// What the hand calculation of a ready scenario left out or counted otherwise.
pub const fn left_out(ready: Ready, lang: Lang) -> &'static [&'static str] {
    match (ready, lang) {
        (Ready::ReferenceOnGpu | Ready::ReferenceOnCpu, Lang::En) => &[
            "bf16-mixed keeps the weights and their gradients in fp32, 4 bytes a parameter each; the calculation has 2.",
            "AdamW's default implementation (foreach) makes one more copy of all parameters inside step(): 4 bytes a parameter.",
            "The peak is the optimizer step, where no activation is alive; the calculation adds activations and step as if they came together.",
            "Checkpointing lowers forward and backward, which are not the peak here: it changes nothing.",
            "A reference model needs no gradients and no states; its forward pass is over before the peak.",
        ],
        (Ready::ReferenceOnGpu | Ready::ReferenceOnCpu, Lang::Zh) => &[
            "bf16-mixed 下权重及其梯度都是 fp32，每个参数各 4 字节；手算各按 2 字节。",
            "AdamW 的默认实现（foreach）在 step() 内再复制一份全部参数：每个参数 4 字节。",
            "峰值出现在优化器 step，此时没有激活存活；手算把激活与 step 当成同时发生而相加。",
            "激活检查点降低的是前向与反向，而它们在这里不是峰值，所以毫无作用。",
            "参考模型没有梯度和优化器状态，它的前向在峰值之前就已结束。",
        ],
        (Ready::Observed, Lang::En) => &[
            "Two fp32 models, gradients and AdamW's moments hold 71.2 GiB before step() begins to copy.",
            "Inside step() the square roots of the second moment grow towards 14.2 GiB more, tensor by tensor. The card was full after about 5.5 GiB of them: 76.72 GiB allocated, 1.81 GiB reserved beside them, and the CUDA context.",
            "So the error comes in the optimizer step, not in forward, and a smaller batch would not have helped. Fused AdamW, a bf16 reference model or precomputed log-probabilities would.",
        ],
        (Ready::Observed, Lang::Zh) => &[
            "两份 fp32 模型、梯度与 AdamW 的两个矩，在 step() 开始复制之前就占 71.2 GiB。",
            "step() 内二阶矩的平方根逐个张量增长，总共还要 14.2 GiB；长到约 5.5 GiB 时卡已用满：已分配 76.72 GiB，另有 1.81 GiB 已保留，再加上 CUDA 上下文。",
            "所以报错发生在优化器 step，而不是前向，减小批大小没有用；换成 fused AdamW、bf16 参考模型或预先算好的对数概率才有用。",
        ],
    }
}
