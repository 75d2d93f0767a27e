//! Parameters of layers that carry a state in place of attention: `Qwen3NextGatedDeltaNet`, `Mamba2Mixer`, `MambaMixer`.

use super::{List, Place};
use crate::ledger::{Dim, Module};
use crate::model::{Recurrent, Scan, ScanNorms};

impl List<'_> {
    /// Those of the layers that have a state, where there are such.
    pub(super) fn recurrent(&mut self, hidden: Dim) {
        let Some(layer) = self.architecture.recurrent else { return };
        if layer.scan == Scan::Selective {
            return self.selective(hidden, &layer);
        }
        let heads = [Dim::number(layer.value_heads.get())];
        let values = [heads[0], Dim::number(layer.value_dim.get())];
        self.of_heads(Module::DtBias, &heads);
        self.of_heads(Module::ALog, &heads);
        self.convolution(&layer);
        match layer.scan {
            Scan::Mamba2 | Scan::Selective => {
                let all = layer.channels().saturating_add(layer.values()).saturating_add(heads[0].value);
                self.projection(Module::RecurrentIn, &[Dim::number(all)], &[hidden], layer.proj_bias);
                self.of_heads(Module::GatedNorm, &values);
                self.of_heads(Module::Skip, &heads);
            }
            Scan::GatedDelta => {
                let all = [Dim::number(layer.channels().saturating_add(layer.values()))];
                self.projection(Module::RecurrentIn, &all, &[hidden], false);
                self.projection(Module::RecurrentRates, &[Dim::number(2), heads[0]], &[hidden], false);
                self.of_heads(Module::GatedNorm, &values[1..]);
            }
        }
        self.projection(Module::RecurrentOut, &[hidden], &values, layer.proj_bias);
    }

    /// `MambaMixer`, `JambaMambaMixer`.
    fn selective(&mut self, hidden: Dim, layer: &Recurrent) {
        let [inner, state, rank] =
            [layer.values(), layer.key_dim.get(), layer.step_rank.get()].map(Dim::number);
        let inputs = Dim::number(rank.value.saturating_add(state.value.saturating_mul(2)));
        self.of_heads(Module::ALog, &[inner, state]);
        self.of_heads(Module::Skip, &[inner]);
        self.convolution(layer);
        self.projection(Module::RecurrentIn, &[Dim::number(2), inner], &[hidden], layer.proj_bias);
        self.projection(Module::SelectiveIn, &[inputs], &[inner], false);
        self.projection(Module::StepProj, &[inner], &[rank], true);
        self.projection(Module::RecurrentOut, &[hidden], &[inner], layer.proj_bias);
        if self.architecture.family.scan_norms() == ScanNorms::Weighted {
            for (module, width) in [(Module::StepNorm, rank), (Module::BNorm, state), (Module::CNorm, state)]
            {
                self.of_heads(module, &[width]);
            }
        }
    }

    fn projection(&mut self, module: Module, output: &[Dim], input: &[Dim], bias: bool) {
        self.linear_at(Place::RecurrentLayer, module, output, input, bias);
    }

    fn of_heads(&mut self, module: Module, dims: &[Dim]) {
        self.vector(Place::RecurrentLayer, module, dims);
    }

    /// `nn.Conv1d` with a group for each channel: its weight has three dimensions, of which no matrix is made.
    fn convolution(&mut self, layer: &Recurrent) {
        let dims = [Dim::number(layer.channels()), Dim::number(layer.kernel.get())];
        self.of_heads(Module::Conv, &dims);
        if layer.conv_bias {
            self.bias(Place::RecurrentLayer, Module::Conv, &dims[..1]);
        }
    }
}
