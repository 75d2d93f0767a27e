//! Names of the choices of what is frozen.

use vram_core::scenario::{FrozenLayers, TrainedKinds};

use crate::Lang;

/// Which layers are frozen.
pub const fn frozen_layers(layers: FrozenLayers, lang: Lang) -> &'static str {
    match layers {
        FrozenLayers::None => lang.pick("none", "不冻结"),
        FrozenLayers::First => lang.pick("the first ones", "前若干层"),
        FrozenLayers::AllButLast => lang.pick("all but the last ones", "除最后若干层外全部"),
        FrozenLayers::Lisa => lang.pick("all but drawn ones (LISA)", "除随机抽取的层外全部（LISA）"),
        FrozenLayers::LisaKept => {
            lang.pick("all but drawn ones, states kept (LISA)", "除随机抽取的层外全部，保留状态（LISA）")
        }
        FrozenLayers::All => lang.pick("all", "全部"),
    }
}

/// What is trained of what is not frozen.
pub const fn trained_kinds(kinds: TrainedKinds, lang: Lang) -> &'static str {
    match kinds {
        TrainedKinds::All => lang.pick("everything", "全部参数"),
        TrainedKinds::Norms => lang.pick("norms alone", "仅归一化层"),
        TrainedKinds::Biases => lang.pick("biases alone (BitFit)", "仅偏置（BitFit）"),
    }
}
