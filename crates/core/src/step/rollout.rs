//! Moments before the training step: completions are generated, and other models look at them. PARALLEL section 13.

use crate::account::Account;
use crate::ledger::{Category, Dim, Dims, Instant, InstantSet, Module, Name, Symbol, What};
use crate::model::Mixer;
use crate::plan::Pass;
use crate::rules::{self, residual_stream};
use crate::scenario::{Generation, GenerationCache, Method, Place, Scenario};
use crate::step::kinds;
use crate::tape::{Block, Mode, Run, Storage};
use crate::units::{Bytes, Dtype};

/// The moments that a run has.
pub(crate) fn present(scenario: &Scenario) -> InstantSet {
    let generates = scenario.generation() != Generation::Elsewhere;
    if scenario.objective.method == Method::Generate {
        return InstantSet::default().with(Instant::Generation);
    }
    if scenario.optimizer.needs_no_gradients() {
        return InstantSet::default().with(Instant::Forward).with(Instant::Loss).with(Instant::OptimizerStep);
    }
    let mut present = InstantSet::TRAINING;
    if generates {
        present = present.with(Instant::Generation);
    }
    if scenario.objective.method.has_rollouts() {
        present = present.with(Instant::Scoring);
    }
    present
}

/// Notes what generation and scoring hold beside weights and optimizer states.
pub(super) fn note(account: &mut Account, scenario: &Scenario, policy: &Pass) {
    match scenario.generation() {
        Generation::Elsewhere => {}
        Generation::Policy => generation(account, scenario, policy),
        Generation::Vllm => engine(account, scenario, &Instant::ALL),
        Generation::VllmSleep => engine(account, scenario, &[Instant::Generation]),
    }
    if present(scenario).contains(Instant::Scoring) {
        scoring(account, scenario, policy);
    }
}

/// What generation or scoring holds for a while, with the copies of each.
pub(crate) fn storages_at(scenario: &Scenario, policy: &Pass, instant: Instant) -> Vec<(Storage, u64)> {
    if !present(scenario).contains(instant) {
        return Vec::new();
    }
    let only = InstantSet::default().with(instant);
    let mut account = Account::new(&policy.architecture, &[], &|_| policy.weight, only);
    match (instant, scenario.generation()) {
        (Instant::Scoring, _) => scoring(&mut account, scenario, policy),
        (_, Generation::Policy) => generation(&mut account, scenario, policy),
        (_, Generation::VllmSleep) => engine(&mut account, scenario, &[instant]),
        _ => {}
    }
    account.alive(instant).collect()
}

/// vLLM, where it doesn't sleep while the policy trains.
pub(crate) fn engine_that_stays(scenario: &Scenario) -> Option<Storage> {
    (scenario.generation() == Generation::Vllm).then(|| engine_storage(scenario))
}

/// vLLM's weights and cache: its share of the whole GPU (`vllm/config/cache.py`, `gpu_memory_utilization`). Derived, not measured.
fn engine(account: &mut Account, scenario: &Scenario, instants: &[Instant]) {
    account.add_storage(instants, engine_storage(scenario), 1);
}

fn engine_storage(scenario: &Scenario) -> Storage {
    Storage {
        name: Name::of(Module::Engine, What::WeightsAndCache),
        category: Category::ReferenceModel,
        dims: Dims::new(&[Dim::number(scenario.engine().get())]),
        dtype: Dtype::Uint8,
    }
}

/// `model.generate`: the prompts' forward fills the cache, then a token at a time. Whichever of the two needs more.
fn generation(account: &mut Account, scenario: &Scenario, policy: &Pass) {
    let whole = scenario.tokens_of_sequence();
    let completion = scenario.tokens_of_completion();
    let prompt = whole.saturating_sub(completion).max(1);
    let rows = scenario.completions_at_once();
    let is_static = scenario.objective.rollout.cache == GenerationCache::Static;
    let pass = Pass {
        rows,
        sequence: prompt,
        fills_cache: false,
        accumulates: false,
        ..policy.clone().without_dropout()
    };
    let layer = largest_layer(&pass);
    let prefill = cache_bytes(&pass, if is_static { whole } else { prompt });
    let decoding = cache_bytes(&pass, whole);
    let token = logits_of_last(&pass, 6);
    let copied = if is_static { Bytes::ZERO } else { one_layer(&pass, whole).0.bytes() };
    // The model's forward names what the embedding made (`inputs_embeds`).
    let lookup = residual_stream(&pass, Name::of(Module::Embedding, What::Output));
    let has_lookup = rules::hands_lookup_on(&pass.architecture) && pass.architecture.blocks() > 1;
    let of_layer = layer.as_ref().map_or(Bytes::ZERO, |block| block.bytes(&block.at_peak(Run::Forward)));
    let is_prefill = prefill + of_layer.max(token.bytes()) >= decoding + copied + token.bytes();
    let instant = [Instant::Generation];
    for (storage, copies) in cache(&pass, if is_prefill && !is_static { prompt } else { whole }) {
        account.add_storage(&instant, storage, copies);
    }
    match layer {
        Some(block) if is_prefill && of_layer >= token.bytes() => {
            let registered = account.register(&block);
            account.add(Instant::Generation, &registered, &block.at_peak(Run::Forward), 1);
            account.add_storage(&instant, lookup, u64::from(has_lookup));
        }
        _ => {
            account.add_storage(&instant, token, 1);
            if !is_prefill && !is_static {
                let (storage, _) = one_layer(&pass, whole);
                account.add_storage(&instant, storage, 1);
            }
        }
    }
    let ids = Dims::new(&[pass.batch(), Dim::number(if is_prefill { prompt } else { whole })]);
    let ids = Storage {
        name: Name::of(Module::Batch, What::TokenIds),
        category: Category::Temporaries,
        dims: ids,
        dtype: Dtype::Int64,
    };
    // Ids, mask and positions.
    account.add_storage(&instant, ids, 3);
}

/// Layers by the tokens that their cache keeps: all of them, or a window's.
fn cache(pass: &Pass, tokens: u64) -> Vec<(Storage, u64)> {
    let a = &pass.architecture;
    let layers = a.blocks();
    let windowed = (0..layers).filter(|&index| a.mixer(index) == Mixer::Window).count() as u64;
    let of = |tokens: u64, copies: u64| {
        let [key, value] = [(What::Key, pass.head_dim().value), (What::Value, pass.value_dim().value)].map(
            |(what, width)| Storage {
                name: Name::of(Module::KvCache, what),
                category: Category::Temporaries,
                dims: Dims::new(&[
                    pass.batch(),
                    Dim::number(tokens),
                    cached_heads(pass),
                    Dim::new(Symbol::HeadDim, width),
                ]),
                dtype: pass.compute(),
            },
        );
        [(key, copies), (value, copies)]
    };
    let window = a.window.map_or(tokens, |window| window.get().min(tokens));
    let mut all = Vec::with_capacity(4);
    all.extend(of(tokens, layers - windowed));
    all.extend(of(window, windowed));
    all.retain(|&(_, copies)| copies > 0);
    all
}

/// Latent attention's keys and values are cached for every query head (`modeling_deepseek_v2.py`).
fn cached_heads(pass: &Pass) -> Dim {
    if pass.architecture.latent.is_some() { pass.heads() } else { pass.kv_heads() }
}

fn cache_bytes(pass: &Pass, tokens: u64) -> Bytes {
    cache(pass, tokens).iter().map(|(storage, copies)| storage.bytes().times(*copies)).sum()
}

/// A layer's keys, copied with one token more (`cache_utils.py`, `DynamicLayer.update`: `torch.cat`).
fn one_layer(pass: &Pass, tokens: u64) -> (Storage, u64) {
    let storage = Storage {
        name: Name::of(Module::KvCache, What::StepCopyOfKeys),
        category: Category::Temporaries,
        dims: Dims::new(&[pass.batch(), Dim::number(tokens), cached_heads(pass), pass.head_dim()]),
        dtype: pass.compute(),
    };
    (storage, 1)
}

/// The last tokens' logits and their copy in fp32 (`generation/utils.py`, `_sample`: `logits[:, -1, :].to(copy=True, dtype=float32)`).
fn logits_of_last(pass: &Pass, bytes: u64) -> Storage {
    Storage {
        name: Name::of(Module::LmHead, What::Logits),
        category: Category::Temporaries,
        dims: Dims::new(&[Dim::number(bytes), pass.batch(), pass.vocabulary()]),
        dtype: Dtype::Uint8,
    }
}

/// The kind of layer whose forward without a graph needs most.
fn largest_layer(pass: &Pass) -> Option<Block> {
    let layers = kinds(pass).into_iter().map(|kind| rules::layer(pass, Mode::NoGrad, kind.layer));
    layers.max_by_key(|block| block.bytes(&block.at_peak(Run::Forward)))
}

/// The pass of another model, or of the policy itself, that needs most to look at completions.
fn scoring(account: &mut Account, scenario: &Scenario, policy: &Pass) {
    let mut candidates: Vec<Block> = Vec::new();
    let reference = scenario.objective.reference().place;
    let weight = reference.on_gpu().or((reference == Place::Adapter).then_some(policy.weight));
    // The policy's own log-probabilities before it changes (`old_per_token_logps`), where steps reuse completions.
    let own = Pass::of_reference(scenario, weight.unwrap_or(policy.weight));
    candidates.extend(largest_layer(&own));
    candidates.push(rules::head(&own, Mode::NoGrad, scenario));
    if let Some(dtype) = scenario.objective.reward().place.on_gpu() {
        let mut pass = Pass::of_reference(scenario, dtype);
        pass.rows = scenario.completions_at_once();
        candidates.extend(largest_layer(&pass));
    }
    let size = |block: &Block| block.bytes(&block.at_peak(Run::Forward));
    if let Some(block) = candidates.into_iter().max_by_key(size) {
        let registered = account.register(&block);
        account.add(Instant::Scoring, &registered, &block.at_peak(Run::Forward), 1);
    }
    let ids = Storage {
        name: Name::of(Module::Batch, What::TokenIds),
        category: Category::Temporaries,
        dims: Dims::new(&[Dim::number(scenario.completions_at_once()), policy.sequence()]),
        dtype: Dtype::Int64,
    };
    account.add_storage(&[Instant::Scoring], ids, 2);
}
