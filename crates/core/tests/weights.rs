//! Headers and indices of weights: what they say, and that nothing in them can break the reader.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use std::fmt::Write as _;

use proptest::prelude::*;
use vram_core::model::weights::{self, Comparison, Tensor};
use vram_core::{Error, presets};

fn header(tensors: &[(&str, &str, &[u64])]) -> String {
    let mut json = String::from(r#"{"__metadata__":{"format":"pt"}"#);
    let mut at = 0;
    for (name, dtype, shape) in tensors {
        let size = shape.iter().product::<u64>() * weights::bits(dtype).unwrap() / 8;
        write!(
            json,
            r#","{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{at},{}]}}"#,
            at + size
        )
        .unwrap();
        at += size;
    }
    json + "}"
}

/// The tensors of a small Llama as transformers saves them.
fn llama(tied: bool, extra: &[(&'static str, &'static [u64])]) -> Vec<Tensor> {
    let mut tensors: Vec<(String, Vec<u64>)> =
        vec![("model.embed_tokens.weight".into(), vec![1000, 64]), ("model.norm.weight".into(), vec![64])];
    for layer in 0..2 {
        let of = |name: &str| format!("model.layers.{layer}.{name}.weight");
        for (name, shape) in [
            ("self_attn.q_proj", vec![64, 64]),
            ("self_attn.k_proj", vec![32, 64]),
            ("self_attn.v_proj", vec![32, 64]),
            ("self_attn.o_proj", vec![64, 64]),
            ("mlp.gate_proj", vec![128, 64]),
            ("mlp.up_proj", vec![128, 64]),
            ("mlp.down_proj", vec![64, 128]),
            ("input_layernorm", vec![64]),
            ("post_attention_layernorm", vec![64]),
        ] {
            tensors.push((of(name), shape));
        }
    }
    if !tied {
        tensors.push(("lm_head.weight".into(), vec![1000, 64]));
    }
    tensors.extend(extra.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())));
    tensors.into_iter().map(|(name, shape)| Tensor { name, shape, dtype: "BF16".to_owned() }).collect()
}

const CONFIG: &str = r#"{"model_type":"llama","vocab_size":1000,"hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,
    "num_attention_heads":4,"num_key_value_heads":2,"tie_word_embeddings":true}"#;

#[test]
fn a_header_has_names_shapes_and_dtypes() {
    let tensors = weights::header(&header(&[("a", "BF16", &[3, 4]), ("b", "F32", &[])])).unwrap();
    assert_eq!(tensors.len(), 2);
    assert_eq!(tensors.iter().map(Tensor::elements).sum::<u64>(), 13);
    assert!(matches!(weights::header("{"), Err(Error::NotJson { .. })));
    for broken in [
        "[]",
        r#"{"a":1}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#,
    ] {
        assert!(matches!(weights::header(broken), Err(Error::WrongKind { .. })), "{broken}");
    }
}

#[test]
fn the_first_bytes_of_another_file_are_no_length() {
    assert_eq!(weights::header_length(1234_u64.to_le_bytes()).unwrap(), 1234);
    assert!(weights::header_length(*b"<!doctyp").is_err());
}

#[test]
fn an_index_names_files_that_lead_nowhere_else() {
    let index = weights::index(
        r#"{"metadata":{"total_size":16.0},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#,
    )
    .unwrap();
    assert_eq!((index.total_size, index.tensors.len(), index.files.len()), (Some(16), 2, 2));
    for file in ["../x", "/etc/passwd", "a/b", "", ".x", "a?b", "a%2Fb"] {
        assert!(weights::index(&format!(r#"{{"weight_map":{{"a":"{file}"}}}}"#)).is_err(), "{file}");
    }
    assert!(matches!(weights::index("{}"), Err(Error::Missing { .. })));
}

#[test]
fn equal_counts_agree_and_buffers_are_no_parameters() {
    let architecture = vram_core::model::from_config(CONFIG).unwrap();
    let buffers: &[(&str, &[u64])] = &[("model.layers.0.self_attn.rotary_emb.inv_freq", &[8])];
    let comparison = Comparison::of(&llama(true, buffers), &architecture);
    assert!(comparison.agrees(), "{comparison:?}");
    assert_eq!(comparison.buffers, 8);
    assert_eq!(comparison.dtypes, [("BF16".to_owned(), comparison.counted)]);
}

#[test]
fn a_difference_is_named() {
    let architecture = vram_core::model::from_config(CONFIG).unwrap();
    let comparison = Comparison::of(&llama(false, &[("model.extra.3.weight", &[5, 7])]), &architecture);
    let names: Vec<&str> = comparison.only_in_file.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["lm_head.weight", "model.extra.*.weight"]);
    assert_eq!(comparison.in_file - comparison.counted, 64_000 + 35);
    assert!(comparison.only_counted.is_empty());
    let mut fewer = llama(true, &[]);
    fewer.retain(|tensor| !tensor.name.contains("post_attention_layernorm"));
    let comparison = Comparison::of(&fewer, &architecture);
    assert!(comparison.only_in_file.is_empty());
    assert_eq!(comparison.only_counted.len(), 1);
}

#[test]
fn experts_one_by_one_are_the_same_as_experts_in_one_tensor() {
    let architecture = presets::find("mixtral-8x7b").unwrap().architecture().unwrap();
    let mut tensors = Vec::new();
    for layer in 0..32 {
        for expert in 0..8 {
            for (name, shape) in
                [("w1", vec![14_336, 4096]), ("w2", vec![4096, 14_336]), ("w3", vec![14_336, 4096])]
            {
                let name = format!("model.layers.{layer}.block_sparse_moe.experts.{expert}.{name}.weight");
                tensors.push(Tensor { name, shape, dtype: "BF16".to_owned() });
            }
        }
    }
    let comparison = Comparison::of(&tensors, &architecture);
    assert!(comparison.only_in_file.is_empty(), "{comparison:?}");
    assert!(comparison.only_counted.iter().all(|group| !group.name.contains("expert")));
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(text in ".{0,400}", bytes in any::<[u8; 8]>()) {
        let _ = weights::header(&text);
        let _ = weights::index(&text);
        let _ = weights::header_length(bytes);
    }

    #[test]
    fn any_shapes_are_compared(shapes in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..5), 0..20)) {
        let architecture = vram_core::model::from_config(CONFIG).unwrap();
        let tensors: Vec<Tensor> = shapes
            .into_iter()
            .enumerate()
            .map(|(at, shape)| Tensor { name: format!("experts.{at}.w"), shape, dtype: "F8".to_owned() })
            .collect();
        let comparison = Comparison::of(&tensors, &architecture);
        prop_assert_eq!(comparison.agrees(), comparison.in_file == comparison.counted);
    }

    #[test]
    fn a_changed_header_is_read_or_refused(at in 0_usize..200, to in any::<u8>()) {
        let mut bytes = header(&[("a", "BF16", &[3, 4]), ("b", "F32", &[2])]).into_bytes();
        let len = bytes.len();
        bytes[at % len] = to;
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = weights::header(&text);
        }
    }
}
