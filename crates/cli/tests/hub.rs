//! A model loaded from a hub that the test itself plays on loopback, and weights beside a configuration.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tiny_http::{Request, Response, Server};

const CONFIG: &str = r#"{"model_type":"llama","vocab_size":1000,"hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,
    "num_attention_heads":4,"num_key_value_heads":2,"tie_word_embeddings":true}"#;

/// Serves `answer` until the test ends; the hub's address.
fn hub(answer: impl Fn(Request) + Send + 'static) -> String {
    let server = Server::http("127.0.0.1:0").unwrap();
    let address = format!("http://{}", server.server_addr());
    std::thread::spawn(move || server.incoming_requests().for_each(answer));
    address
}

fn vram(hub: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vram"))
        .args(["estimate", "--model", "owner/name", "--hub", hub])
        .args(arguments)
        .env("VRAM_HUB_TIMEOUT", "2")
        .env("HF_TOKEN", "secret")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Status 2 and one sentence in each language that has both words.
fn refused(hub: &str, en: &str, zh: &str) {
    for (lang, word) in [("en", en), ("zh", zh)] {
        let output = vram(hub, &["--lang", lang]);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{sentence}");
        assert!(sentence.contains(word) && sentence.contains("owner/name"), "{sentence}");
        assert_eq!(sentence.trim().lines().count(), 1, "{sentence}");
    }
}

fn header() -> Vec<u8> {
    let mut json = String::from("{");
    let mut at = 0_u64;
    let mut push = |name: &str, shape: &[u64]| {
        let end = at + 2 * shape.iter().product::<u64>();
        let comma = if at == 0 { "" } else { "," };
        write!(json, r#"{comma}"{name}":{{"dtype":"BF16","shape":{shape:?},"data_offsets":[{at},{end}]}}"#)
            .unwrap();
        at = end;
    };
    push("model.embed_tokens.weight", &[1000, 64]);
    push("model.norm.weight", &[64]);
    for layer in 0..2 {
        for (name, shape) in [
            ("self_attn.q_proj", [64, 64]),
            ("self_attn.k_proj", [32, 64]),
            ("self_attn.v_proj", [32, 64]),
            ("self_attn.o_proj", [64, 64]),
            ("mlp.gate_proj", [128, 64]),
            ("mlp.up_proj", [128, 64]),
            ("mlp.down_proj", [64, 128]),
        ] {
            push(&format!("model.layers.{layer}.{name}.weight"), &shape);
        }
        for name in ["input_layernorm", "post_attention_layernorm"] {
            push(&format!("model.layers.{layer}.{name}.weight"), &[64]);
        }
    }
    json.push('}');
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("vram-hub-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.json"), CONFIG).unwrap();
    folder
}

#[test]
fn a_model_is_loaded_by_its_name_and_its_token_is_sent() {
    let address = hub(|request| {
        let is_token = |header: &tiny_http::Header| {
            header.field.equiv("Authorization") && header.value == "Bearer secret"
        };
        let token = request.headers().iter().any(is_token);
        let is_asked = request.url() == "/owner/name/resolve/main/config.json";
        let answer = if token && is_asked { CONFIG } else { "no" };
        request.respond(Response::from_string(answer)).unwrap();
    });
    let loaded = json(&vram(&address, &["--format", "json"]));
    assert_eq!(loaded["parameters"], 138_048);
    assert!(
        loaded["link"].as_str().unwrap().contains("model=custom&family=llama&vocab=1000&hidden=64&layers=2")
    );
}

#[test]
fn a_loaded_model_with_a_presets_dimensions_has_its_name() {
    let address = hub(|request| {
        let config = include_str!("../../../assets/models/qwen3-8b.json");
        request.respond(Response::from_string(config)).unwrap();
    });
    let loaded = json(&vram(&address, &["--format", "json"]));
    assert!(loaded["link"].as_str().unwrap().contains("model=qwen3-8b&"));
}

#[test]
fn each_trouble_has_its_sentence_in_both_languages() {
    let status = |code: u16| {
        hub(move |request| request.respond(Response::from_string("x").with_status_code(code)).unwrap())
    };
    refused(&status(401), "gated", "授权");
    refused(&status(403), "gated", "授权");
    refused(&status(404), "spelling", "拼写");
    refused(&status(500), "status 500", "500");
    let answer =
        |text: &'static [u8]| hub(move |request| request.respond(Response::from_data(text)).unwrap());
    refused(&answer(b"<!doctype html><title>Sign in</title>"), "no config.json", "不是 config.json");
    refused(&answer(b"\xff\xfe\x00garbage"), "no config.json", "不是 config.json");
    refused("http://127.0.0.1:9", "could not be reached", "无法连接");
}

#[test]
fn a_slow_answer_and_one_of_20_mb_are_given_up() {
    let slow = hub(|request| {
        std::thread::sleep(Duration::from_secs(6));
        let _ = request.respond(Response::from_string(CONFIG));
    });
    let begun = Instant::now();
    let output = vram(&slow, &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("did not answer"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let long = hub(|request| {
        let _ = request.respond(Response::from_string("x".repeat(20_000_000)));
    });
    refused(&long, "longer than 2,000,000 bytes", "停止读取");
}

#[test]
fn the_headers_of_a_hubs_weights_are_compared() {
    let address = hub(|request| {
        let response = match request.url() {
            "/owner/name/resolve/main/config.json" => Response::from_string(CONFIG),
            // Ranges are ignored, as a simple static server does.
            "/owner/name/resolve/main/model.safetensors" => Response::from_data(header()),
            _ => Response::from_string("x").with_status_code(404),
        };
        request.respond(response).unwrap();
    });
    let loaded = json(&vram(&address, &["--check-weights", "--format", "json"]));
    assert_eq!(loaded["weights"]["agrees"], true, "{}", loaded["weights"]);
    assert_eq!(loaded["weights"]["dtypes"]["BF16"], 138_048);
    let text = vram(&address, &["--check-weights"]);
    assert!(
        String::from_utf8_lossy(&text.stdout).contains("exactly as many as are counted here (BF16 138,048)")
    );
}

#[test]
fn weights_beside_a_configuration_are_compared() {
    let folder = folder("beside");
    let estimate = || {
        let config = folder.to_string_lossy().into_owned();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vram"));
        json(&command.args(["estimate", "--config", &config, "--format", "json"]).output().unwrap())
    };
    assert!(estimate().get("weights").is_none());
    let index = r#"{"metadata":{"total_size":276096},"weight_map":{"a":"model-00001-of-00001.safetensors"}}"#;
    fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
    assert_eq!(estimate()["weights"]["agrees"], true);
    fs::write(folder.join("model-00001-of-00001.safetensors"), header()).unwrap();
    assert_eq!(estimate()["weights"]["parameters"], 138_048);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_is_no_header_is_refused() {
    let folder = folder("broken");
    fs::write(folder.join("model.safetensors"), "this is no file of weights").unwrap();
    let config = folder.to_string_lossy().into_owned();
    let output =
        Command::new(env!("CARGO_BIN_EXE_vram")).args(["estimate", "--config", &config]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    fs::remove_dir_all(&folder).unwrap();
}
