//! Encoders and models of images: their parameters, and laws that hold for them too.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram_core::ledger::{Entry, Instant};
use vram_core::model::{Model, from_config, parameter_count};
use vram_core::scenario::Vision;
use vram_core::timeline::{Moment, Point, StepNumber, alive_at};
use vram_core::units::{Bytes, Count};
use vram_core::{Scenario, estimate, estimate_with_replay, link};

/// What the makers' files hold, and what `transformers` counts: the classes with their heads, tied tensors once.
const MODELS: [(&str, u64); 10] = [
    (
        r#"{ "model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1 }"#,
        124_697_433,
    ),
    (
        r#"{ "model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1,
        "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096 }"#,
        355_412_057,
    ),
    (
        r#"{ "model_type": "xlm-roberta", "vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1 }"#,
        278_295_186,
    ),
    (r#"{ "model_type": "distilbert" }"#, 66_985_530),
    (r#"{ "model_type": "modernbert" }"#, 149_655_232),
    (
        r#"{ "model_type": "modernbert", "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16,
        "intermediate_size": 2624 }"#,
        395_881_664,
    ),
    (r#"{ "model_type": "vit", "num_labels": 1000 }"#, 86_567_656),
    (
        r#"{ "model_type": "bert", "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
        "intermediate_size": 4096 }"#,
        335_174_458,
    ),
    (LLAVA, 7_063_427_072),
    (r#"{ "model_type": "whisper" }"#, 37_760_640),
];

const LLAVA: &str = r#"{ "model_type": "llava", "text_config": { "model_type": "llama", "vocab_size": 32064 },
    "vision_config": { "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "image_size": 336, "patch_size": 14 } }"#;

fn scenario(config: &str) -> Scenario {
    let architecture = from_config(config).unwrap();
    let sequence_length = architecture.longest_sequence().map_or(2048, |longest| longest.min(512));
    Scenario {
        model: Model { preset: None, architecture },
        sequence_length: Count::new(u32::try_from(sequence_length).unwrap()),
        ..Scenario::default()
    }
}

#[test]
fn parameter_counts_are_the_published_ones() {
    for (config, published) in MODELS {
        assert_eq!(parameter_count(&from_config(config).unwrap()), published, "{config}");
    }
}

#[test]
fn entries_sum_links_come_back_and_the_replay_holds_what_is_asked_for() {
    for (config, _) in MODELS {
        let scenario = scenario(config);
        assert_eq!(link::read(&link::write(&scenario)).scenario, scenario);
        let estimate = estimate_with_replay(&scenario).unwrap();
        for instant in Instant::ALL {
            let sum: Bytes = estimate.alive(instant).map(Entry::bytes).sum();
            assert_eq!(sum, estimate.at(instant).requested, "{config}");
        }
        assert!(estimate.allocated >= estimate.at_peak().requested, "{config}");
    }
}

/// The zeros of attention to the encoder are there for every layer of the decoder, and for none of the encoder.
#[test]
fn what_the_layers_of_a_decoder_share_is_alive_for_each_of_them() {
    let config = r#"{ "model_type": "t5", "d_model": 768, "d_ff": 2048, "num_layers": 12, "num_heads": 12,
        "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false }"#;
    for sequence in [1, 64] {
        let scenario = Scenario {
            micro_batch: Count::ONE,
            sequence_length: Count::new(sequence),
            gradient_accumulation: Count::new(2),
            ..scenario(config)
        };
        let zeros = |layer| {
            let alive = alive_at(&scenario, Moment::Backward(layer)).unwrap();
            alive
                .iter()
                .any(|entry| entry.name.key() == "decoder.cross_attention.relative_attention_bias.output")
        };
        // 12 layers of the encoder, what stands between, 12 of the decoder.
        assert!((13..25).all(zeros) && !(0..12).any(zeros));
        let estimate = estimate(&scenario).unwrap();
        let backward = estimate
            .timeline
            .iter()
            .filter(|point| point.step == StepNumber::Later && matches!(point.moment, Moment::Backward(_)));
        let most = backward.map(Point::total).max().unwrap();
        let visited = [Instant::BackwardFirstVisited, Instant::BackwardLastVisited];
        assert_eq!(visited.map(|instant| estimate.at(instant).requested).into_iter().max(), Some(most));
    }
}

#[test]
fn a_frozen_tower_needs_less_and_images_have_to_fit_among_the_tokens() {
    let trained = scenario(LLAVA);
    let vision = |images, frozen_tower| Vision { images: Count::new(images), frozen_tower };
    let frozen = Scenario { vision: vision(1, true), ..trained.clone() };
    let (trained_peak, frozen_peak) = (estimate(&trained).unwrap(), estimate(&frozen).unwrap());
    assert!(frozen_peak.at_peak().requested < trained_peak.at_peak().requested);
    // Of the tower, 23 of 24 layers and what stands before them are trained.
    assert!(frozen_peak.parameters < trained_peak.parameters);
    let two = Scenario { vision: vision(2, false), ..trained.clone() };
    let at_loss = |estimate: &vram_core::Estimate| estimate.at(Instant::Loss).requested;
    assert!(at_loss(&estimate(&two).unwrap()) > at_loss(&trained_peak));
    assert!(estimate(&Scenario { vision: vision(4, false), ..trained }).is_err());
}
