//! Every word exists in both languages, and no English is left in the Chinese.

use insta::assert_snapshot;
use vram_core::ledger::{Category, Entry, Instant, Module, Name, What};
use vram_core::ready::Ready;
use vram_core::scenario::{
    AdapterDtype, AdapterMethod, Attention, AutocastScope, BaseDtype, Batching, Checkpointing, Ema,
    Generation, GenerationCache, Held, KvCache, Library, LogProbs, LoraTargets, Objective, Optimizer,
    Padding, Place, Recipe, Scenario, ZeroGrad,
};
use vram_core::units::Bytes;
use vram_core::why::why;
use vram_core::{Error, Field, estimate};
use vram_text::{
    Lang, Unit, Word, adapter_dtype, adapter_method, attention, autocast_scope, base_dtype, batching,
    category, checkpointing, ema, error_sentence, format_bytes, generation, generation_cache, headline, held,
    instant, kv_cache, left_out, library, log_probs, lora_targets, name, objective_word, optimizer, padding,
    place, ready, recipe, source, verdict, why_this_peak, zero_grad,
};

/// Everything that is shown, in a language.
fn everything(lang: Lang) -> Vec<String> {
    let mut all: Vec<String> = Word::ALL.iter().map(|word| word.in_lang(lang).to_owned()).collect();
    all.extend(Recipe::ALL.iter().map(|&choice| recipe(choice, lang).to_owned()));
    all.extend(Optimizer::ALL.iter().map(|&choice| optimizer(choice, lang).to_owned()));
    all.extend(Ema::ALL.iter().map(|&choice| ema(choice, lang).to_owned()));
    all.extend(Library::ALL.iter().map(|&choice| library(choice, lang).to_owned()));
    all.extend(Attention::ALL.iter().map(|&choice| attention(choice, lang).to_owned()));
    all.extend(Checkpointing::ALL.iter().map(|&choice| checkpointing(choice, lang).to_owned()));
    all.extend(ZeroGrad::ALL.iter().map(|&choice| zero_grad(choice, lang).to_owned()));
    all.extend(Objective::WORDS.iter().map(|word| objective_word(word, lang).to_owned()));
    all.extend(Place::ALL.iter().map(|&choice| place(choice, lang).to_owned()));
    all.extend(Batching::ALL.iter().map(|&choice| batching(choice, lang).to_owned()));
    all.extend(Generation::ALL.iter().map(|&choice| generation(choice, lang).to_owned()));
    all.extend(GenerationCache::ALL.iter().map(|&choice| generation_cache(choice, lang).to_owned()));
    all.extend(LoraTargets::ALL.iter().map(|&choice| lora_targets(choice, lang).to_owned()));
    all.extend(AdapterMethod::ALL.iter().map(|&choice| adapter_method(choice, lang).to_owned()));
    all.extend(AdapterDtype::ALL.iter().map(|&choice| adapter_dtype(choice, lang).to_owned()));
    all.extend(BaseDtype::ALL.iter().map(|&choice| base_dtype(choice, lang).to_owned()));
    all.extend(LogProbs::ALL.iter().map(|&choice| log_probs(choice, lang).to_owned()));
    all.extend(Padding::ALL.iter().map(|&choice| padding(choice, lang).to_owned()));
    all.extend(AutocastScope::ALL.iter().map(|&choice| autocast_scope(choice, lang).to_owned()));
    all.extend(Held::ALL.iter().map(|&choice| held(choice, lang).to_owned()));
    all.extend(KvCache::ALL.iter().map(|&choice| kv_cache(choice, lang).to_owned()));
    all.extend(Category::ALL.iter().map(|&choice| category(choice, lang).to_owned()));
    all.extend(Instant::ALL.iter().map(|&choice| instant(choice, lang).to_owned()));
    all.extend(Ready::ALL.iter().map(|&choice| ready(choice, lang).to_owned()));
    all.extend(Ready::ALL.iter().flat_map(|&choice| left_out(choice, lang)).map(|&text| text.to_owned()));
    for &module in Module::ALL {
        for &what in What::ALL {
            all.push(name(Name::of(module, what), lang));
            all.push(name(Name::gradient_of(module, what), lang));
        }
    }
    all
}

#[test]
fn nothing_is_empty_in_either_language() {
    for lang in Lang::ALL {
        assert!(everything(lang).iter().all(|text| !text.trim().is_empty()));
    }
}

#[test]
fn chinese_sentences_are_chinese() {
    // English function words that no name of code contains.
    let english = [" the ", " of ", " and ", " is ", " are ", " with ", " to ", " for ", " in "];
    for text in everything(Lang::Zh) {
        assert!(!english.iter().any(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn every_entry_names_its_source() {
    for word in Objective::WORDS.iter().filter(|word| !matches!(**word, "masked_lm")) {
        let objective = Objective::default().with_word(word).unwrap_or_default();
        let scenario = Scenario { objective, ..Scenario::default() };
        let entries: Vec<Entry> = estimate(&scenario).map(|estimate| estimate.entries).unwrap_or_default();
        assert!(!entries.is_empty());
        assert!(entries.iter().all(|entry| source(entry).contains(['/', ',', ';', '.'])));
    }
}

#[test]
fn errors_name_the_field_what_was_given_and_what_is_accepted() {
    let field = || Field::new("b");
    let errors = [
        Error::OutOfRange { field: field(), given: "-4".to_owned(), min: 1, max: 65_536 },
        Error::UnknownChoice {
            field: Field::new("recipe"),
            given: "bf17".to_owned(),
            accepted: vec!["fp32", "bf16"],
        },
        Error::Unsupported {
            field: Field::new("model_type"),
            given: "mamba".to_owned(),
            accepted: vec!["llama", "gpt2"],
        },
        Error::Missing { field: Field::new("model_type") },
        Error::Doubled { field: field() },
        Error::NotDivisible { field: Field::new("heads"), given: 32, by: Field::new("kv_heads"), divisor: 5 },
        Error::NotJson { line: 3, column: 14 },
        Error::WrongKind { field: Field::new("config.json"), given: "[1, 2]".to_owned(), accepted: "object" },
        Error::TooLong { field: Field::new("config.json"), given: 10_000_000, max: 2_000_000 },
        Error::FutureVersion { given: "99".to_owned(), newest: 1 },
        Error::BadEncoding { field: Field::new("recipe"), given: "%zz".to_owned() },
        Error::DoesNotDivide {
            field: Field::new("tp"),
            given: 5,
            of: Field::new("heads"),
            value: 32,
            below: 4,
            above: Some(8),
        },
        Error::TooLarge,
    ];
    let text: Vec<String> = Lang::ALL
        .iter()
        .flat_map(|&lang| errors.iter().map(move |error| error_sentence(error, lang)))
        .collect();
    assert_snapshot!(text.join("\n"));
}

#[test]
fn the_default_scenario_in_words() {
    let scenario = Scenario::default();
    let Ok(estimate) = estimate(&scenario) else { return assert!(estimate(&scenario).is_ok()) };
    let text: Vec<String> = Lang::ALL
        .iter()
        .flat_map(|&lang| {
            [
                headline(&estimate, &scenario, Unit::GiB, lang),
                verdict(&estimate, &scenario, Unit::GB, lang),
                vram_text::cost_beside_weights(&estimate, lang),
                why_this_peak(&why(&scenario, &estimate), &estimate, Unit::GiB, lang),
            ]
        })
        .collect();
    assert_snapshot!(text.join("\n"));
}

#[test]
fn sizes_are_always_labelled_and_keep_their_digits() {
    let cases = [0, 1, 1023, 1024, 1_048_576, 107_374_182, 1 << 30, 10 << 30, 100 << 30, 1 << 50, u64::MAX];
    let text: Vec<String> = cases
        .iter()
        .map(|&n| {
            format!(
                "{n}: {} · {}",
                format_bytes(Bytes::new(n), Unit::GiB),
                format_bytes(Bytes::new(n), Unit::GB)
            )
        })
        .collect();
    assert_snapshot!(text.join("\n"));
}
