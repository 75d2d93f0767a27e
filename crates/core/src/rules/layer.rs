//! A decoder layer: `LlamaDecoderLayer`, `Gemma2DecoderLayer` (four norms), `GPT2Block`, `GPTNeoXLayer`.

use super::Writer;
use super::norm::Norm;
use crate::ledger::{Category, Dims, Module, Name, Part, What};
use crate::model::{Branches, Family, Mixer};
use crate::plan::{Front, Pass};
use crate::tape::{Block, Mode, Step, Storage, Var};

/// What tells one layer of a model from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerKind {
    /// How it mixes tokens; a window is one that the sequence reaches.
    pub(crate) mixer: Mixer,
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
    /// The first of them, where the others read fp32 and it does not.
    First,
    /// The first of them, where it reads the embedding without a norm.
    FirstWithoutNorm,
    /// In a vision tower.
    Tower,
    /// In a vision tower, where nothing needs its output: what it keeps goes away with the tower's output.
    UnusedTower,
    /// Between a vision tower and a language model.
    Projector,
    /// In the encoder of an encoder-decoder.
    Encoder,
    /// Between its encoder and its decoder.
    Bridge,
    /// In its decoder.
    Decoder,
    /// The last of that, which backward visits before there is a gradient of what the encoder has made.
    LastDecoder,
}

impl LayerPlace {
    /// Whether it is a layer, which can be checkpointed.
    pub(crate) const fn is_layer(self) -> bool {
        !matches!(self, Self::Bridge | Self::Projector)
    }
}

/// One decoder layer.
pub(crate) fn layer(pass: &Pass, mode: Mode, kind: LayerKind) -> Block {
    if let (Some(front), LayerPlace::Tower | LayerPlace::UnusedTower | LayerPlace::Projector) =
        (&pass.front, kind.place)
    {
        return in_front(pass, front, mode, kind);
    }
    if let Some(encoder) = &pass.encoder {
        return of_speech(pass, encoder, mode, kind);
    }
    let mut writer = Writer::new(pass, mode, pass.trained.layer(kind.graph.is_trained));
    let input = residual_stream(pass, Name::of(Module::Layer, What::Input));
    // What the embedding has made is in the dtype of the weights.
    let dtype = if kind.place == LayerPlace::First { pass.weight } else { pass.stream_dtype() };
    let input = writer.tape.input(Storage { dtype, ..input }, kind.graph.follows);
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
        LayerPlace::Layer | LayerPlace::First if pass.architecture.family.is_state_space() => {
            writer.state_space_layer(input)
        }
        LayerPlace::Layer | LayerPlace::First if pass.architecture.family.has_alibi() => {
            writer.bloom_layer(input)
        }
        LayerPlace::Layer | LayerPlace::First if pass.architecture.family == Family::Falcon => {
            writer.falcon_layer(input)
        }
        LayerPlace::Layer | LayerPlace::First | LayerPlace::FirstWithoutNorm => {
            match pass.architecture.branches() {
                Branches::Sequence => writer.branches_in_sequence(input, kind),
                Branches::Parallel => writer.branches_in_parallel(input, kind),
                Branches::ParallelOneNorm => writer.branches_of_one_norm(input, kind),
            }
        }
        _ => writer.branches_in_sequence(input, kind),
    };
    writer.tape.drop(input);
    writer.tape.finish(Some(input), output, false)
}

/// A layer of a vision tower, or what leads from it to the language model.
fn in_front(pass: &Pass, front: &Front, mode: Mode, kind: LayerKind) -> Block {
    let is_frozen = front.is_frozen();
    let is_projector = kind.place == LayerPlace::Projector;
    let is_plain = kind.place == LayerPlace::UnusedTower || is_frozen && !is_projector;
    let trains = if is_projector { &front.features } else { &front.tower }.trained.layer(true);
    let mut writer = Writer::new(&front.tower, if is_plain { Mode::NoGrad } else { mode }, trains);
    writer.part = Part::Vision;
    let input = residual_stream(&front.tower, writer.name(Module::Layer, What::Input));
    let input = writer.tape.input(input, !is_frozen);
    let output = if is_projector {
        writer.projected_into_text(input, &front.of, &front.features, pass)
    } else {
        writer.branches_in_sequence(input, kind)
    };
    writer.tape.drop(input);
    writer.tape.finish(Some(input), output, false)
}

/// A layer of an encoder of sound, of the decoder behind it, or what stands between the two.
fn of_speech(pass: &Pass, encoder: &Pass, mode: Mode, kind: LayerKind) -> Block {
    let is_decoder = matches!(kind.place, LayerPlace::Decoder | LayerPlace::LastDecoder);
    let reads = if is_decoder { pass } else { encoder };
    let mut writer = Writer::new(reads, mode, pass.trained.layer(kind.graph.is_trained));
    let input = residual_stream(reads, Name::of(Module::Layer, What::Input));
    let input = writer.tape.input(input, kind.graph.follows);
    let output = match kind.place {
        LayerPlace::Bridge => writer.speech_bridge(input, pass),
        _ if is_decoder => writer.speech_decoder_layer(input, encoder, kind.place == LayerPlace::LastDecoder),
        _ => writer.speech_encoder_layer(input),
    };
    writer.tape.finish(Some(input), output, false)
}

/// The tensor that layers hand to each other.
pub(crate) fn residual_stream(pass: &Pass, name: Name) -> Storage {
    Storage {
        name,
        category: if pass.is_reference { Category::ReferenceModel } else { Category::Activations },
        dims: Dims::new(&pass.stream()).and(pass.hidden()),
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
        let mut branch = match self.pass.architecture.recurrent {
            Some(layer) if kind.mixer == Mixer::Recurrent => self.recurrent(normed, &layer),
            _ => self.attention_on(normed, kind.mixer),
        };
        self.tape.drop(normed);
        if self.pass.architecture.family.has_post_norms() {
            branch = self.norm_of_branch(branch, Module::PostAttentionNorm);
        }
        let branch = self.dropout_after_attention(branch);
        self.scaled(branch, Module::Attention)
    }

    /// Attention on what a norm has made of a rank's tokens, which the caller still holds.
    fn attention_on(&mut self, normed: Var, mixer: Mixer) -> Var {
        let gathered = self.whole_sequence(normed, Module::Attention);
        let branch = self.attention(gathered.unwrap_or(normed), mixer);
        if let Some(var) = gathered {
            self.tape.drop(var);
        }
        branch
    }

    /// The same of the MLP.
    fn mlp_on(&mut self, normed: Var) -> Var {
        let gathered = self.whole_sequence(normed, Module::UpProj);
        let branch = self.mlp(gathered.unwrap_or(normed));
        if let Some(var) = gathered {
            self.tape.drop(var);
        }
        branch
    }

    /// The MLP reads what attention has been added to.
    fn branches_in_sequence(&mut self, x: Var, kind: LayerKind) -> Var {
        let branch = self.attention_branch(x, kind);
        let attended = self.sum(x, branch, Module::Layer, What::Residual);
        self.note_sum(attended, branch);
        // A compiled norm may need the branch as well.
        let is_named = self.pass.architecture.family.names_attention_branch() || self.sum_of.is_some();
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

    /// `residual.float() + mixer(norm(x.to(weight.dtype)))` (`Mamba2Block`).
    fn state_space_layer(&mut self, x: Var) -> Var {
        let Some(layer) = self.pass.architecture.recurrent else {
            return self.tape.view(x, &[], &[Step::Pass(x)]);
        };
        let narrow = self.cast(x, Module::InputNorm, What::Input, self.pass.weight);
        let normed = self.norm_of_tokens(narrow, Module::InputNorm);
        self.tape.drop(narrow);
        let residual = self.cast(x, Module::Layer, What::Residual, self.pass.stream_dtype());
        let mixed = self.recurrent(normed, &layer);
        self.tape.drop(normed);
        let output = self.sum(residual, mixed, Module::Layer, What::Residual);
        self.tape.drop(mixed);
        self.tape.drop(residual);
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

    /// Both read what one norm has made (`PhiDecoderLayer`: attention and MLP are added first; `CohereDecoderLayer`: the residual and
    /// attention).
    fn branches_of_one_norm(&mut self, x: Var, kind: LayerKind) -> Var {
        let normed = self.norm_before(x, Module::InputNorm);
        let attention = self.attention_on(normed, kind.mixer);
        let attention = self.residual_dropout(attention, Module::AttentionDropout);
        let mlp = self.mlp_on(normed);
        let mlp = self.residual_dropout(mlp, Module::MlpDropout);
        let adds_branches_first = self.pass.architecture.family == Family::Phi;
        let (first, last) = if adds_branches_first { (mlp, x) } else { (x, mlp) };
        let both = self.sum(attention, first, Module::Layer, What::Residual);
        let output = self.sum(both, last, Module::Layer, What::Residual);
        for var in [both, mlp, attention, normed] {
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
            _ => self.mlp_on(normed),
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
        self.multiplied(x, module)
    }

    /// `x * number`, which keeps nothing. Takes over the caller's `x`.
    pub(crate) fn multiplied(&mut self, x: Var, module: Module) -> Var {
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
        let rows = self.pass.stream();
        self.norm(x, &Norm { module, rows: &rows, width: self.pass.hidden() })
    }
}
