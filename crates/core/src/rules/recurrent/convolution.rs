//! `causal_conv1d_fn` without its kernel: a depthwise `conv1d` that is padded on both sides, cut, and activated.
//!
//! The native kernel makes its transposed input contiguous, forward and backward (`aten/src/ATen/native/Convolution.cpp`). Autocast's copy
//! of the weight is that of a view, which is in no cache.

use crate::ledger::{Dim, Dims, Module, Symbol, What};
use crate::model::Recurrent;
use crate::rules::Writer;
use crate::tape::{Step, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// The activated convolution of `x`, which the caller still holds.
    pub(super) fn convolution(&mut self, x: Var, layer: &Recurrent) -> Var {
        let given = self.tape.dtype(x);
        let (compute, channels) = (self.pass.compute(), Dim::number(layer.channels()));
        let wide = self.cast(x, Module::Conv, What::Fp32Copy, self.pass.weight);
        let input = self.cast(wide, Module::Conv, What::InputCast, compute);
        let weight = self.convolution_weight(layer, compute);
        let bias = layer.conv_bias.then(|| self.convolution_bias(channels, compute)).flatten();
        let contiguous = self.temporary(Module::Conv, What::Contiguous, self.rows(&[channels]), compute);
        let copy = self.tape.constant(contiguous);
        let padded = self.pass.sequence.saturating_add(layer.kernel.get()).saturating_sub(1);
        let padded = Dim::new(Symbol::PaddedSequence, padded);
        let dims = Dims::new(&[self.pass.batch(), padded, channels]);
        let of_weight = weight.map_or_else(
            || self.parameter_gradient(Module::Conv, What::Weight, &kernel(layer)),
            |weight| self.gradient(weight),
        );
        let mut steps = vec![Step::Temporary(contiguous), of_weight, self.gradient(input)];
        if layer.conv_bias {
            steps.push(bias.map_or_else(
                || self.parameter_gradient(Module::Conv, What::Bias, &[channels]),
                |bias| self.gradient(bias),
            ));
        }
        let saved: Vec<Var> = std::iter::once(input).chain(weight).collect();
        let output = self.tape.operator(self.made(Module::Conv, What::Output, dims, compute), &saved, &steps);
        for var in [copy, wide, input].into_iter().chain(weight).chain(bias) {
            self.tape.drop(var);
        }
        let gradient = self.gradient(output);
        let cut = self.tape.view(output, &[], &[gradient]);
        self.tape.drop(output);
        self.tape.reshape(cut, self.name(Module::Conv, What::Output), self.rows(&[channels]));
        let active = self.map(cut, Module::Conv, What::Product, &[cut]);
        self.tape.drop(cut);
        let back = self.cast(active, Module::Conv, What::Product, given);
        self.tape.drop(active);
        back
    }

    fn convolution_weight(&mut self, layer: &Recurrent, compute: Dtype) -> Option<Var> {
        (self.pass.weight != compute).then(|| {
            let gradient = self.parameter_gradient(Module::Conv, What::Weight, &kernel(layer));
            let cast = self.made(Module::Conv, What::WeightCast, Dims::new(&kernel(layer)), compute);
            self.tape.operator(cast, &[], &[gradient])
        })
    }

    fn convolution_bias(&mut self, channels: Dim, compute: Dtype) -> Option<Var> {
        (self.pass.weight != compute).then(|| {
            let gradient = self.parameter_gradient(Module::Conv, What::Bias, &[channels]);
            let cast = self.made(Module::Conv, What::BiasCast, Dims::new(&[channels]), compute);
            let cast = self.tape.operator(cast, &[], &[gradient]);
            self.tape.cache(cast);
            cast
        })
    }
}

fn kernel(layer: &Recurrent) -> [Dim; 2] {
    [Dim::number(layer.channels()), Dim::number(layer.kernel.get())]
}
