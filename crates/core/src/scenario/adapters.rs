//! PEFT's methods, and the modules that they are put beside.

use super::choices::choices;
use super::{Lora, LoraTargets, unsupported};
use crate::error::{Error, Field};
use crate::ledger::Module;
use crate::model::{Architecture, Family, Routing, parameters};
use crate::units::Count;

choices! {
    /// What is trained beside a frozen model.
    AdapterMethod {
        /// LoRA (arXiv:2106.09685).
        Lora = "lora",
        /// LoRA scaled by the root of its rank (rsLoRA, arXiv:2312.03732): the same tensors.
        RsLora = "rslora",
        /// LoRA with the magnitude of each output learned by itself (DoRA, arXiv:2402.09353).
        Dora = "dora",
        /// One random pair of matrices for all layers, scaled by vectors (VeRA, arXiv:2310.11454).
        Vera = "vera",
        /// Vectors that scale keys, values and the MLP's inner activations ((IA)³, arXiv:2205.05638).
        Ia3 = "ia3",
        /// A soft prompt in front of the sequence (arXiv:2104.08691).
        Prompt = "prompt",
        /// Keys and values of virtual tokens in front of each layer's own (prefix tuning, arXiv:2101.00190).
        Prefix = "prefix",
    }
}

impl AdapterMethod {
    /// Whether it has a rank, without which it is off.
    pub const fn has_rank(self) -> bool {
        matches!(self, Self::Lora | Self::RsLora | Self::Dora | Self::Vera)
    }

    /// Whether it stands beside modules.
    pub const fn has_targets(self) -> bool {
        !self.has_tokens()
    }

    /// Whether it trains virtual tokens, which PEFT makes in fp32, whatever the model's dtype.
    pub const fn has_tokens(self) -> bool {
        matches!(self, Self::Prompt | Self::Prefix)
    }
}

choices! {
    /// Modules of which PEFT trains a whole copy beside the adapters (`modules_to_save`); the model's own stays.
    ModulesToSave {
        /// None.
        None = "none",
        /// The token embedding.
        Embedding = "embed_tokens",
        /// The projection to the vocabulary.
        Head = "lm_head",
        /// Both.
        Both = "embed_tokens.lm_head",
    }
}

impl ModulesToSave {
    /// Whether the token embedding is one of them.
    pub const fn has_embedding(self) -> bool {
        matches!(self, Self::Embedding | Self::Both)
    }

    /// Whether the projection to the vocabulary is one of them.
    pub const fn has_head(self) -> bool {
        matches!(self, Self::Head | Self::Both)
    }
}

choices! {
    /// Parameters of three dimensions, the matrices of all experts, that LoRA adapts (`target_parameters`).
    ExpertTargets {
        /// None.
        None = "none",
        /// Gate and up projections.
        Up = "gate_up_proj",
        /// Down projections.
        Down = "down_proj",
        /// All.
        Both = "gate_up_proj.down_proj",
    }
}

impl ExpertTargets {
    /// Whether a module's matrices have adapters.
    pub fn contains(self, module: Module) -> bool {
        match module {
            Module::ExpertsUp => matches!(self, Self::Up | Self::Both),
            Module::ExpertsDown => matches!(self, Self::Down | Self::Both),
            _ => false,
        }
    }
}

/// Modules that an adapter can stand beside, by the names that this project gives them.
const MODULES: [Module; 14] = [
    Module::QProj,
    Module::KProj,
    Module::VProj,
    Module::QkvProj,
    Module::OProj,
    Module::QAProj,
    Module::QBProj,
    Module::KvAProj,
    Module::KvBProj,
    Module::GateProj,
    Module::UpProj,
    Module::GateUpProj,
    Module::DownProj,
    Module::LmHead,
];

/// Some modules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModuleSet(u16);

impl ModuleSet {
    /// All modules that an adapter can stand beside.
    pub const ALL: &'static [Module] = &MODULES;

    /// Those that a model has; a head that is tied to the embedding has no weight of its own to adapt.
    pub fn of(architecture: &Architecture) -> Self {
        parameters(architecture).into_iter().filter(|parameter| parameter.matrix.is_some()).fold(
            Self::default(),
            |set, parameter| {
                if MODULES.contains(&parameter.name.module) {
                    set.with(parameter.name.module, true)
                } else {
                    set
                }
            },
        )
    }

    /// The same with a module added or taken away.
    #[must_use]
    pub fn with(self, module: Module, is_in: bool) -> Self {
        let bit = MODULES.iter().position(|&other| other == module).map_or(0, |at| 1 << at);
        Self(if is_in { self.0 | bit } else { self.0 & !bit })
    }

    /// Whether a module is one of them; shared experts have the names of an MLP.
    pub fn contains(self, module: Module) -> bool {
        let module = match module {
            Module::SharedGateProj => Module::GateProj,
            Module::SharedUpProj => Module::UpProj,
            Module::SharedDownProj => Module::DownProj,
            other => other,
        };
        self.with(module, true) == self && MODULES.contains(&module)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The modules, in the order of [`ModuleSet::ALL`].
    pub fn modules(self) -> impl Iterator<Item = Module> {
        MODULES.into_iter().filter(move |&module| self.contains(module))
    }

    /// The modules that names stand for, in any family's words; none where a name is no module's.
    pub fn from_names<'a>(names: impl Iterator<Item = &'a str>, family: Family) -> Option<Self> {
        let mut set = Self::default();
        for name in names {
            if let Some(&module) = MODULES.iter().find(|module| module.key() == name) {
                set = set.with(module, true);
                continue;
            }
            for module in aliases(name, family)? {
                set = set.with(*module, true);
            }
        }
        (!set.is_empty()).then_some(set)
    }
}

/// The names of GPT-2, GPT-NeoX, OPT and their like.
fn aliases(name: &str, family: Family) -> Option<&'static [Module]> {
    Some(match name {
        "c_attn" | "query_key_value" => &[Module::QkvProj],
        "c_proj" if matches!(family, Family::Gpt2 | Family::GptBigCode) => &[Module::OProj, Module::DownProj],
        "query" => &[Module::QProj],
        "key" => &[Module::KProj],
        "value" => &[Module::VProj],
        "dense" | "out_proj" => &[Module::OProj],
        "c_fc" | "dense_h_to_4h" | "fc1" => &[Module::UpProj],
        "c_proj" | "dense_4h_to_h" | "fc2" => &[Module::DownProj],
        _ => return None,
    })
}

/// Which modules adapters stand beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// By a word.
    Word(LoraTargets),
    /// By name (`target_modules`).
    Modules(ModuleSet),
}

impl Targets {
    /// The words of [`LoraTargets`], or names with dots between them.
    pub fn key(self) -> String {
        match self {
            Self::Word(word) => word.key().to_owned(),
            Self::Modules(set) => set.modules().map(Module::key).collect::<Vec<_>>().join("."),
        }
    }

    /// What a word or names with dots or commas between them stand for.
    pub fn from_key(key: &str, family: Family) -> Option<Self> {
        LoraTargets::from_key(key).map(Self::Word).or_else(|| {
            ModuleSet::from_names(key.split(['.', ',']).map(str::trim), family).map(Self::Modules)
        })
    }

    /// Whether the linear layers of a module have an adapter.
    pub fn contains(self, module: Module) -> bool {
        let is_attention =
            matches!(module, Module::QProj | Module::KProj | Module::VProj | Module::QkvProj | Module::OProj);
        // Router and experts are no `torch.nn.Linear`.
        let is_linear =
            !matches!(module, Module::LmHead | Module::Router | Module::ExpertsUp | Module::ExpertsDown);
        match self {
            Self::Word(LoraTargets::QueryValue) => {
                matches!(module, Module::QProj | Module::VProj | Module::QkvProj)
            }
            Self::Word(LoraTargets::Attention) => is_attention,
            Self::Word(LoraTargets::AllLinear) => is_linear,
            Self::Modules(set) => set.contains(module),
        }
    }
}

impl Lora {
    /// Whether a method is on, so that the model's own parameters are frozen.
    pub const fn is_on(&self) -> bool {
        self.rank.is_some() || !self.method.has_rank()
    }

    /// Switches a method on with PEFT's defaults, as far as it needs others than LoRA.
    pub fn switch_to(&mut self, method: AdapterMethod) {
        let vectors = [Module::KProj, Module::VProj, Module::QkvProj, Module::DownProj];
        self.targets = match method {
            AdapterMethod::Vera => Targets::Word(LoraTargets::QueryValue),
            AdapterMethod::Ia3 => Targets::Modules(
                vectors.into_iter().fold(ModuleSet::default(), |set, module| set.with(module, true)),
            ),
            _ => self.targets,
        };
        self.rank = match method {
            AdapterMethod::Vera => Some(Count::new(256)),
            AdapterMethod::Lora | AdapterMethod::RsLora | AdapterMethod::Dora => {
                self.rank.or(Some(Count::new(16)))
            }
            AdapterMethod::Ia3 | AdapterMethod::Prompt | AdapterMethod::Prefix => None,
        };
        self.method = method;
    }

    /// What PEFT refuses, or no run has shown.
    pub(super) fn check(&self, a: &Architecture) -> Result<(), Error> {
        if self.method.has_rank() && self.method != AdapterMethod::Lora && self.rank.is_none() {
            let (min, max) = super::limits::LORA_RANK;
            let field = Field::new("lora_rank");
            return Err(Error::OutOfRange { field, given: "0".to_owned(), min: min.into(), max: max.into() });
        }
        if !self.is_on() {
            return Ok(());
        }
        // A tied head's copy would be the embedding's, and of a head with an adapter beside it there is no copy.
        let copies_adapted = self.saves.has_head() && self.targets.contains(Module::LmHead);
        let is_plain = !a.tied && a.decoder.is_none() && !copies_adapted;
        if self.saves != ModulesToSave::None && (!is_plain || !self.method.has_rank()) {
            return Err(unsupported("modules_to_save", self.saves.key(), &[ModulesToSave::None.key()]));
        }
        if !self.method.has_targets() {
            return Ok(());
        }
        if self.experts != ExpertTargets::None {
            // `ParamWrapper` refuses dropout and the kin that needs an input; experts that every token goes through have other rules.
            let is_lora = matches!(self.method, AdapterMethod::Lora | AdapterMethod::RsLora) && !self.dropout;
            let has_rule = a.experts.is_some() && a.family.routing() != Routing::Everyone;
            if !is_lora || !has_rule {
                let none = ExpertTargets::None.key();
                return Err(unsupported("target_parameters", self.experts.key(), &[none]));
            }
        }
        // Which of a sparse layer's modules are linear is said by name.
        if a.experts.is_some() && self.targets == Targets::Word(LoraTargets::AllLinear) {
            return Err(unsupported("lora_targets", &self.targets.key(), &["q_v", "attention"]));
        }
        let is_tied_head = a.tied && self.targets.contains(Module::LmHead);
        let mut modules = parameters(a).into_iter().map(|parameter| parameter.name.module);
        if is_tied_head || !modules.any(|module| self.targets.contains(module)) {
            return Err(unsupported("lora_targets", &self.targets.key(), &["attention"]));
        }
        Ok(())
    }
}
