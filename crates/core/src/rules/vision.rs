//! Images: patches and class token (`ViTEmbeddings`, `CLIPVisionEmbeddings`), the classifier (`ViTForImageClassification`), and what leads
//! from a tower to a language model (`LlavaMultiModalProjector`, `LlavaModel.forward`).
//!
//! The convolution is PyTorch's own (`slow_conv2d_forward`, `slow_conv2d_backward`), as it runs without cuDNN; cuDNN's workspaces aren't
//! known. Derived, not measured: `masked_select`, by which the gradient of scattered image features is made (`masked_scatter_backward` in
//! `FunctionsManual.cpp`), finds as many indices as there are features.

use super::Writer;
use super::layer::residual_stream;
use super::linear::Linear;
use crate::ledger::{Dim, Dims, Module, Name, Part, Symbol, What};
use crate::model::{Family, Image, Tower};
use crate::plan::Pass;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// From pixels to the first layer's input.
    pub(crate) fn image_embedding(&mut self, image: &Image) -> Var {
        let patches = self.patches(image);
        let with_class = self.class_token_before(patches);
        self.tape.drop(patches);
        let positions = residual_stream(self.pass, Name::of(Module::PositionEmbedding, What::Residual));
        let positions = Storage { name: self.name(Module::PositionEmbedding, What::Residual), ..positions };
        let table = [self.pass.sequence(), self.pass.hidden()];
        let gradient = self.parameter_gradient(Module::PositionEmbedding, What::Weight, &table);
        let sum = self.tape.operator(positions, &[], &[Step::Pass(with_class), gradient]);
        self.tape.drop(with_class);
        let a = &self.pass.architecture;
        if a.family == Family::ClipVision {
            // `pre_layrnorm`
            let normed = self.norm_of_tokens(sum, Module::EmbeddingNorm);
            self.tape.drop(sum);
            return normed;
        }
        if !a.embedding_dropout {
            return sum;
        }
        let dropped = self.dropout(sum, Module::EmbeddingDropout);
        self.tape.drop(sum);
        dropped
    }

    /// The convolution, whose kernel is as large as its stride; its columns are those of one image.
    fn patches(&mut self, image: &Image) -> Var {
        let compute = self.pass.compute();
        let module = Module::PatchEmbedding;
        let (channels, patch) = (Dim::number(image.channels.get()), Dim::number(image.patch.get()));
        let side = Dim::number(image.size.get());
        let input = [channels, patch, patch];
        let output = [self.pass.hidden()];
        let has_bias = self.pass.architecture.family == Family::Vit;
        let linear = Linear { module, weight_of: module, input: &input, output: &output, has_bias };
        let pixels = Dims::new(&[self.pass.batch(), channels, side, side]);
        let pixels = (compute != Dtype::Fp32)
            .then(|| self.tape.constant(self.made(module, What::InputCast, pixels, compute)));
        let weight = self.weight_cast(&linear, compute);
        let number = Dim::number(image.patches());
        let columns = self.temporary(module, What::Workspace, Dims::new(&input).and(number), compute);
        let dims = Dims::new(&[self.pass.batch(), number, self.pass.hidden()]);
        let copy = self.temporary(module, What::Contiguous, dims, compute);
        let mut steps =
            vec![Step::Temporary(copy), Step::Temporary(columns), Step::Scratch(self.workspace(false))];
        let mut saved = Vec::new();
        saved.extend(pixels);
        if let Some(weight) = weight {
            steps.push(self.gradient(weight));
            saved.push(weight);
        } else {
            steps.push(self.weight_gradient(&linear));
        }
        if has_bias {
            steps.push(self.parameter_gradient(module, What::Bias, &output));
        }
        let patches = self.tape.operator(self.made(module, What::Output, dims, compute), &saved, &steps);
        self.tape.scratch(columns);
        for var in pixels.into_iter().chain(weight) {
            self.tape.drop(var);
        }
        patches
    }

    /// `cat((cls_token, patches), dim=1)`, which autocast does in the wider dtype.
    fn class_token_before(&mut self, patches: Var) -> Var {
        let patches = self.cast(patches, Module::PatchEmbedding, What::Fp32Copy, self.pass.weight);
        let output = residual_stream(self.pass, self.name(Module::ClassToken, What::Output));
        let gradient = self.parameter_gradient(Module::ClassToken, What::Weight, &[self.pass.hidden()]);
        let both = self.tape.operator(output, &[], &[gradient, Step::Pass(patches)]);
        self.tape.drop(patches);
        both
    }

    fn classifier(&mut self, x: Var) -> Var {
        let (input, output) = ([self.pass.hidden()], [self.pass.vocabulary()]);
        let module = Module::Classifier;
        self.linear(x, &Linear { module, weight_of: module, input: &input, output: &output, has_bias: true })
    }

    /// `linear_2(act(linear_1(x)))`, joined once more (`torch.cat` of the images' features). Takes over the caller's `x`.
    fn projector(&mut self, x: Var, tower: &Tower, width: Dim) -> Var {
        let (from, to) = ([self.pass.hidden()], [width]);
        let has_bias = tower.projector_bias;
        let linear = |module, input| Linear { module, weight_of: module, input, output: &to, has_bias };
        let up = self.linear(x, &linear(Module::ProjectorUp, &from));
        self.tape.drop(x);
        let active = self.map(up, Module::Activation, What::Output, &[up]);
        self.tape.drop(up);
        let down = self.linear(active, &linear(Module::ProjectorDown, &to));
        self.tape.drop(active);
        let gradient = self.gradient(down);
        let joined = self.made(
            Module::ProjectorDown,
            What::Contiguous,
            self.tape.storage(down).dims,
            self.tape.dtype(down),
        );
        let joined = self.tape.operator(joined, &[], &[gradient]);
        self.tape.drop(down);
        joined
    }

    /// `masked_scatter` of the features into the embeddings of the tokens (`masked_scatter_cuda`: a prefix sum of the mask in int64).
    fn scattered(&mut self, features: Var, tower: &Tower) -> Var {
        let embeds = self.tokens(super::embedding::SORTS_ABOVE);
        let stream = residual_stream(self.pass, Name::of(Module::Layer, What::Input));
        let mask = self.made(Module::Batch, What::Mask, Dims::new(&self.pass.tokens()), Dtype::Bool);
        let mask = self.tape.constant(mask);
        let of =
            |dtype| Storage { dtype, ..self.temporary(Module::Batch, What::Workspace, stream.dims, dtype) };
        let (wide_mask, prefix) = (of(Dtype::Bool), of(Dtype::Int64));
        let indices = Dims::new(&[Dim::number(3), Dim::number(tower.tokens()), self.pass.hidden()]);
        let images = self.tape.storage(features).dims.as_slice().first().map_or(1, |dim| dim.value);
        let indices = indices.and(Dim::number(images));
        let indices = self.temporary(Module::Batch, What::Workspace, indices, Dtype::Int64);
        let steps = [self.gradient(embeds), Step::Temporary(indices), self.gradient(features)];
        let output = self.tape.operator(stream, &[mask], &steps);
        let wide_mask = self.tape.constant(wide_mask);
        self.tape.scratch(prefix);
        for var in [wide_mask, mask, embeds] {
            self.tape.drop(var);
        }
        output
    }
}

impl<'a> Writer<'a> {
    /// Logits of the class token of what the last norm has made, and that. `single` is the pass of one token of each image.
    pub(crate) fn class_logits(&mut self, x: Var, single: &'a Pass) -> (Var, Var) {
        let normed = self.norm_of_tokens(x, Module::FinalNorm);
        let gradient = self.gradient(normed);
        let first = self.tape.view(normed, &[], &[gradient]);
        let one = Dims::new(&single.tokens()).and(single.hidden());
        self.tape.reshape(first, self.name(Module::Classifier, What::Input), one);
        self.pass = single;
        let logits = self.classifier(first);
        self.tape.drop(first);
        (logits, normed)
    }

    /// What the tower has made, projected and put in the place of image tokens among the embeddings of all tokens. `features` is the pass
    /// of what the projector reads, `text` the language model's.
    pub(crate) fn projected_into_text(
        &mut self,
        x: Var,
        tower: &Tower,
        features: &'a Pass,
        text: &'a Pass,
    ) -> Var {
        let chosen = self.chosen_features(x, tower);
        self.pass = features;
        self.part = Part::Main;
        let projected = self.projector(chosen, tower, text.hidden());
        self.pass = text;
        // Autocast leaves the features in 16 bits.
        let wide = self.cast(projected, Module::ProjectorUp, What::Fp32Copy, text.weight);
        self.tape.drop(projected);
        let output = self.scattered(wide, tower);
        self.tape.keep_names();
        // `image_hidden_states` of the model's output.
        self.tape.drop(wide);
        output
    }

    /// Without the class token, what is left is a slice: its backward fills the whole, and a product of rows needs a copy.
    fn chosen_features(&mut self, x: Var, tower: &Tower) -> Var {
        let tokens = Dim::new(Symbol::Sequence, tower.tokens());
        let dims = Dims::new(&[self.pass.batch(), tokens, self.pass.hidden()]);
        let step = if tower.keeps_class { Step::Pass(x) } else { self.gradient(x) };
        let chosen = self.tape.view(x, &[], &[step]);
        self.tape.reshape(chosen, self.name(Module::ProjectorUp, What::Input), dims);
        if tower.keeps_class || self.pass.rows == 1 || self.pass.autocast.is_some() {
            return chosen;
        }
        let copy = self.contiguous(chosen, Module::ProjectorUp, What::Contiguous);
        self.tape.drop(chosen);
        copy
    }
}
