//! A decoder layer: `LlamaDecoderLayer`, `Gemma2DecoderLayer` (four norms), `GPT2Block`, `GPTNeoXLayer`.

use super::Writer;
use super::norm::Norm;
use crate::ledger::{Category, Dims, Module, Name, What};
use crate::model::Family;
use crate::plan::Pass;
use crate::tape::{Block, Mode, Step, Storage, Var};

/// What tells one layer of a model from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerKind {
    /// Attention is limited to a window that the sequence reaches.
    pub(crate) is_windowed: bool,
    /// It has experts in place of one MLP.
    pub(crate) is_sparse: bool,
    /// What it is in an encoder-decoder.
    pub(crate) place: LayerPlace,
    /// It is run again in backward.
    pub(crate) recomputes: bool,
    /// What of it takes part in backward.
    pub(crate) graph: LayerGraph,
}

/// What of a layer takes part in backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerGraph {
    /// Its own parameters are trained.
    pub(crate) is_trained: bool,
    /// Autograd follows its input: not where nothing below it is trained.
    pub(crate) follows: bool,
}

/// Where a block stands in a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayerPlace {
    /// Among the layers of a decoder, or of BERT.
    Layer,
    /// The first of them, where it reads the embedding without a norm.
    FirstWithoutNorm,
    /// In the encoder of an encoder-decoder.
    Encoder,
    /// Between its encoder and its decoder.
    Bridge,
    /// In its decoder.
    Decoder,
}

/// One decoder layer.
pub(crate) fn layer(pass: &Pass, mode: Mode, kind: LayerKind) -> Block {
    let mut writer = Writer::new(pass, mode, pass.trained.layer(kind.graph.is_trained));
    let input = residual_stream(pass, Name::of(Module::Layer, What::Input));
    let input = writer.tape.input(input, kind.graph.follows);
    if writer.is_compiled(Module::Layer) {
        writer.tape.hand_out_at_once();
    }
    let output = match kind.place {
        LayerPlace::Encoder => writer.encoder_layer(input),
        LayerPlace::Bridge => writer.bridge(input),
        LayerPlace::Decoder => writer.decoder_layer(input),
        LayerPlace::Layer if pass.architecture.family.has_norms_after_sums() => {
            writer.norms_after_sums(input)
        }
        LayerPlace::Layer if pass.architecture.parallel_residual => writer.branches_in_parallel(input, kind),
        LayerPlace::Layer | LayerPlace::FirstWithoutNorm => writer.branches_in_sequence(input, kind),
    };
    writer.tape.drop(input);
    writer.tape.finish(Some(input), output, false)
}

/// The tensor that layers hand to each other.
pub(crate) fn residual_stream(pass: &Pass, name: Name) -> Storage {
    Storage {
        name,
        category: if pass.is_reference { Category::ReferenceModel } else { Category::Activations },
        dims: Dims::new(&pass.tokens()).and(pass.hidden()),
        dtype: pass.weight,
    }
}

impl Writer<'_> {
    fn attention_branch(&mut self, x: Var, kind: LayerKind) -> Var {
        let normed = if kind.place == LayerPlace::FirstWithoutNorm {
            self.tape.view(x, &[], &[Step::Pass(x)])
        } else {
            self.norm_before(x, Module::InputNorm)
        };
        let mut branch = self.attention(normed, kind.is_windowed);
        self.tape.drop(normed);
        if self.pass.architecture.family.has_post_norms() {
            branch = self.norm_of_branch(branch, Module::PostAttentionNorm);
        }
        let branch = self.dropout_after_attention(branch);
        self.scaled(branch, Module::Attention)
    }

    /// The MLP reads what attention has been added to.
    fn branches_in_sequence(&mut self, x: Var, kind: LayerKind) -> Var {
        let branch = self.attention_branch(x, kind);
        let attended = self.sum(x, branch, Module::Layer, What::Residual);
        self.note_sum(attended, branch);
        // `GPT2Block.forward` has a name for the branch (`attn_output`) until it returns; a compiled norm may need it.
        let is_named = self.pass.architecture.family == Family::Gpt2 || self.sum_of.is_some();
        if !is_named {
            self.tape.drop(branch);
        }
        let mlp = self.mlp_branch(attended, kind);
        let output = self.sum(attended, mlp, Module::Layer, What::Residual);
        self.tape.drop(mlp);
        self.tape.drop(attended);
        if is_named {
            self.tape.drop(branch);
        }
        output
    }

    /// Both read the layer's input (`GPTNeoXLayer`).
    fn branches_in_parallel(&mut self, x: Var, kind: LayerKind) -> Var {
        let attention = self.attention_branch(x, kind);
        let mlp = self.mlp_branch(x, kind);
        let both = self.sum(mlp, attention, Module::Layer, What::Residual);
        let output = self.sum(both, x, Module::Layer, What::Residual);
        for var in [both, mlp, attention] {
            self.tape.drop(var);
        }
        output
    }

    fn mlp_branch(&mut self, x: Var, kind: LayerKind) -> Var {
        let has_post_norms = self.pass.architecture.family.has_post_norms();
        let before = if has_post_norms { Module::PreMlpNorm } else { Module::PostAttentionNorm };
        let normed = self.norm_before(x, before);
        let mut branch = match self.pass.architecture.experts {
            Some(experts) if kind.is_sparse => self.sparse_mlp(normed, &experts),
            _ => self.mlp(normed),
        };
        self.tape.drop(normed);
        if has_post_norms {
            branch = self.norm_of_branch(branch, Module::PostMlpNorm);
        }
        let is_dropped = !self.pass.architecture.family.drops_within_mlp_alone();
        let branch = if is_dropped { self.residual_dropout(branch, Module::MlpDropout) } else { branch };
        self.scaled(branch, Module::DownProj)
    }

    /// The norm in front of attention or of the MLP, where the family has one.
    fn norm_before(&mut self, x: Var, module: Module) -> Var {
        if self.pass.architecture.family.has_pre_norms() {
            self.norm_of_tokens(x, module)
        } else {
            self.tape.view(x, &[], &[Step::Pass(x)])
        }
    }

    /// `x * multiplier` of the families that have one, which keeps nothing. Takes over the caller's `x`.
    pub(crate) fn scaled(&mut self, x: Var, module: Module) -> Var {
        if !self.pass.architecture.family.scales_residuals() {
            return x;
        }
        let scaled = self.map(x, module, What::Scaled, &[]);
        self.tape.drop(x);
        scaled
    }

    /// Dropout after the output projection: `DistilBertSelfAttention` has none, `ModernBertAttention.out_drop` has the probability that
    /// attention's has. Takes over the caller's `branch`.
    pub(crate) fn dropout_after_attention(&mut self, branch: Var) -> Var {
        let a = &self.pass.architecture;
        let is_dropped = match a.family {
            Family::DistilBert => false,
            Family::ModernBert => a.attention_dropout,
            _ => a.residual_dropout,
        };
        if !is_dropped {
            return branch;
        }
        let dropped = self.dropout(branch, Module::AttentionDropout);
        self.tape.drop(branch);
        dropped
    }

    /// Takes over the caller's `branch`.
    pub(crate) fn residual_dropout(&mut self, branch: Var, module: Module) -> Var {
        if !self.pass.architecture.residual_dropout {
            return branch;
        }
        let dropped = self.dropout(branch, module);
        self.tape.drop(branch);
        dropped
    }

    fn norm_of_branch(&mut self, branch: Var, module: Module) -> Var {
        let normed = self.norm_of_tokens(branch, module);
        self.tape.drop(branch);
        normed
    }

    /// A norm over the hidden width of every token.
    pub(crate) fn norm_of_tokens(&mut self, x: Var, module: Module) -> Var {
        let rows = self.pass.tokens();
        self.norm(x, &Norm { module, rows: &rows, width: self.pass.hidden() })
    }
}
