//! Words of the timeline.

use vram_core::timeline::{Moment, Point, StepNumber};

use crate::{Lang, Unit, format_bytes};

/// Which of the two steps.
pub const fn step_number(step: StepNumber, lang: Lang) -> &'static str {
    match step {
        StepNumber::First => lang.pick("first step", "第一步"),
        StepNumber::Later => lang.pick("second step", "第二步"),
    }
}

/// A moment, such as `backward, layer 12 of 32`. Readers count layers from 1.
pub fn moment(moment: Moment, layers: u64, lang: Lang) -> String {
    let fixed = match moment {
        Moment::Load => lang.pick("model loaded", "模型已加载"),
        Moment::Generation => lang.pick("generation", "生成"),
        Moment::Scoring => lang.pick("scoring", "打分"),
        Moment::Loss => lang.pick("loss", "损失"),
        Moment::BackwardHead => lang.pick("backward, head", "反向：输出头"),
        Moment::BackwardEmbedding => lang.pick("backward, embedding", "反向：嵌入层"),
        Moment::OptimizerStep => lang.pick("optimizer step", "优化器 step"),
        Moment::Forward(index) => {
            return match lang {
                Lang::En => format!("forward, layer {} of {layers}", index + 1),
                Lang::Zh => format!("前向：第 {} 层，共 {layers} 层", index + 1),
            };
        }
        Moment::Backward(index) => {
            return match lang {
                Lang::En => format!("backward, layer {} of {layers}", index + 1),
                Lang::Zh => format!("反向：第 {} 层，共 {layers} 层", index + 1),
            };
        }
    };
    fixed.to_owned()
}

/// A point in words, such as `second step, loss: 40.1 GiB`, with a word more at the peak.
pub fn point(point: &Point, layers: u64, is_peak: bool, unit: Unit, lang: Lang) -> String {
    let peak = if is_peak { lang.pick(", the peak", "，即峰值") } else { "" };
    let size = format_bytes(point.total(), unit) + peak;
    let moment_name = moment(point.moment, layers, lang);
    if point.moment == Moment::Load {
        return match lang {
            Lang::En => format!("{moment_name}: {size}"),
            Lang::Zh => format!("{moment_name}：{size}"),
        };
    }
    let step = step_number(point.step, lang);
    match lang {
        Lang::En => format!("{step}, {moment_name}: {size}"),
        Lang::Zh => format!("{step}，{moment_name}：{size}"),
    }
}

/// A part of a step, beneath the timeline.
pub const fn phase(moment: Moment, lang: Lang) -> &'static str {
    match moment {
        Moment::Load => lang.pick("load", "加载"),
        Moment::Generation | Moment::Scoring => lang.pick("rollout", "采样"),
        Moment::Forward(_) | Moment::Loss => lang.pick("forward", "前向"),
        Moment::BackwardHead | Moment::Backward(_) | Moment::BackwardEmbedding => {
            lang.pick("backward", "反向")
        }
        Moment::OptimizerStep => lang.pick("step", "更新"),
    }
}

/// What a list of the largest tensors leaves out.
pub fn others(count: usize, bytes: vram_core::units::Bytes, unit: Unit, lang: Lang) -> String {
    let size = format_bytes(bytes, unit);
    match lang {
        Lang::En => format!("and {count} more entries, together {size}"),
        Lang::Zh => format!("另有 {count} 项，合计 {size}"),
    }
}
