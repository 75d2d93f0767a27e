//! Which of the model's own parameters are trained, part by part and layer by layer, and how far down backward has to go for them.

use crate::ledger::{Module, Name, Part, What};
use crate::model::{LayerRange, Parameter, Place, parameters};
use crate::scenario::{Checkpointing, Optimizer, Scenario, TrainedKinds};
use crate::units::Dtype;

/// Which of a model's own parameters are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trained {
    embedding: bool,
    layers: LayerRange,
    head: bool,
    kinds: Kinds,
    /// Whether the embedding's output requires a gradient even where the embedding is frozen: transformers hooks it where layers are
    /// checkpointed (`enable_input_require_grads`).
    pub(crate) hooks_embedding: bool,
}

/// What is trained of the parameters that a block reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trains {
    /// The token embedding's weight, which a tied head reads too.
    embedding: bool,
    /// The block's own.
    own: bool,
    kinds: Kinds,
}

/// Which kinds of parameters are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    /// Those that the scenario says.
    Of(TrainedKinds),
    /// PEFT's copies of modules alone, which have the modules' names.
    Copies,
}

impl Trained {
    /// All: full fine-tuning.
    pub(crate) const ALL: Self = Self {
        embedding: true,
        layers: LayerRange::ALL,
        head: true,
        kinds: Kinds::Of(TrainedKinds::All),
        hooks_embedding: false,
    };
    /// None: adapters on a frozen model, a reference model, a frozen tower.
    pub(crate) const NONE: Self =
        Self { embedding: false, layers: LayerRange::NONE, head: false, ..Self::ALL };

    /// What a scenario trains of the model's own parameters. A part is only said to be trained where something in it is.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let freezing = scenario.freezing;
        let hooks_embedding = hooks_embedding(scenario);
        if scenario.lora.is_on() {
            let saves = scenario.lora.saves;
            // With `TaskType.SEQ_CLS` PEFT adds the head over labels to `modules_to_save`.
            let has_labels = scenario.architecture().labels.is_some();
            let (embedding, head) = (saves.has_embedding(), saves.has_head() || has_labels);
            return Self { embedding, head, kinds: Kinds::Copies, hooks_embedding, ..Self::NONE };
        }
        if scenario.optimizer == Optimizer::BAdam {
            // Of the layers that take turns the first needs most: backward goes down to it.
            return Self { layers: LayerRange { from: 0, to: 1 }, hooks_embedding, ..Self::NONE };
        }
        if !freezing.is_on() {
            return Self { hooks_embedding, ..Self::ALL };
        }
        let architecture = &scenario.architecture();
        let model = parameters(architecture);
        let has = |is_there: fn(&Parameter) -> bool| {
            let mut there = model.iter().filter(|parameter| is_there(parameter));
            there.any(|parameter| is_of(Kinds::Of(freezing.kinds), parameter.name))
        };
        let layers = architecture.layers.get();
        let from = if has(Parameter::is_in_layer) { freezing.first_trained(layers) } else { layers };
        Self {
            embedding: !freezing.embedding && has(|parameter| parameter.place == Place::Embedding),
            layers: LayerRange { from, to: layers },
            head: !freezing.head && has(|parameter| parameter.place == Place::Head),
            kinds: Kinds::Of(freezing.kinds),
            hooks_embedding,
        }
    }

    /// Whether anything is trained.
    pub(crate) const fn is_anything(&self) -> bool {
        self.embedding || self.head || self.layers.from < self.layers.to
    }

    /// Whether a layer has parameters that are trained.
    pub(crate) const fn is_layer(&self, index: u64) -> bool {
        self.layers.contains(index)
    }

    /// Whether anything below a layer is trained, so that its input requires a gradient; of the head for the number of layers.
    pub(crate) const fn is_below(&self, index: u64) -> bool {
        self.hooks_embedding
            || self.embedding
            || (self.layers.from < self.layers.to && self.layers.from < index)
    }

    /// What stands before the layers.
    pub(crate) const fn embedding(&self) -> Trains {
        self.block(self.embedding)
    }

    /// A layer that is trained or is not.
    pub(crate) const fn layer(&self, is_trained: bool) -> Trains {
        self.block(is_trained)
    }

    /// What stands after the layers.
    pub(crate) const fn head(&self) -> Trains {
        self.block(self.head)
    }

    const fn block(&self, own: bool) -> Trains {
        Trains { embedding: self.embedding, own, kinds: self.kinds }
    }

    /// The same with every layer's.
    pub(crate) const fn with_all_layers(self) -> Self {
        Self { layers: LayerRange::ALL, ..self }
    }

    /// The trained ones of a model's parameters.
    pub(crate) fn among(&self, model: &[Parameter]) -> Vec<Parameter> {
        let is_here = |parameter: &&Parameter| {
            let is_part = match parameter.place {
                Place::Embedding => self.embedding,
                Place::Head => self.head,
                _ => self.layers.from < self.layers.to,
            };
            is_part && is_of(self.kinds, parameter.name)
        };
        model
            .iter()
            .filter(is_here)
            .map(|parameter| Parameter { layers: self.layers, ..*parameter })
            .collect()
    }
}

impl Trains {
    /// Whether a parameter that the block reads is trained.
    pub(crate) fn parameter(self, name: Name) -> bool {
        let part = if name.module == Module::Embedding { self.embedding } else { self.own };
        part && is_of(self.kinds, name)
    }
}

impl Scenario {
    /// Dtype of one of the tensors that are trained: a copy of a module (`modules_to_save`) keeps the module's, beside adapters of another.
    pub(crate) fn trained_dtype(&self, name: Name) -> Dtype {
        if self.lora.is_on() && is_copy(name) { self.weight() } else { self.trained() }
    }
}

/// Checkpointing needs a gradient to reach the first layer (`enable_input_require_grads`); `prepare_model_for_kbit_training` sees to it
/// for the older way alone (`peft/utils/other.py`).
fn hooks_embedding(scenario: &Scenario) -> bool {
    match scenario.checkpointing {
        Checkpointing::Off => false,
        Checkpointing::LayersReentrant | Checkpointing::OffloadedInputs => true,
        _ => !scenario.is_prepared(),
    }
}

fn is_of(kinds: Kinds, name: Name) -> bool {
    match kinds {
        Kinds::Of(TrainedKinds::All) => true,
        Kinds::Of(TrainedKinds::Norms) => is_norm(name.module),
        Kinds::Of(TrainedKinds::Biases) => name.what == What::Bias,
        Kinds::Copies => is_copy(name),
    }
}

/// Whether a tensor that is trained beside a frozen model is a copy of one of its modules: embedding, projection to the vocabulary, or
/// the head over labels (`peft/peft_model.py`, `PeftModelForSequenceClassification`: `classifier`, `score`).
fn is_copy(name: Name) -> bool {
    let is_saved = matches!(name.module, Module::Embedding | Module::LmHead | Module::Score);
    is_saved && name.what == What::Weight && name.part == Part::Main
}

const fn is_norm(module: Module) -> bool {
    matches!(
        module,
        Module::EmbeddingNorm
            | Module::InputNorm
            | Module::QNorm
            | Module::KNorm
            | Module::QANorm
            | Module::KvANorm
            | Module::PostAttentionNorm
            | Module::PreMlpNorm
            | Module::PostMlpNorm
            | Module::FinalNorm
            | Module::HeadNorm
    )
}
