//! The command as a reader calls it: the README's examples, its exit statuses, bad input in both languages.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;
use serde_json::Value;

fn root(file: &str) -> String {
    format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"))
}

fn vram(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vram")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap() + &String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether `shown`, in which `...` stands for anything, is what was printed.
fn matches(shown: &str, printed: &str) -> bool {
    let mut rest = printed;
    shown.split("...").enumerate().all(|(index, part)| {
        let part = part.trim_matches('\n');
        let found = if index == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
        found.is_some_and(|at| {
            rest = rest.get(at + part.len()..).unwrap_or_default();
            true
        })
    })
}

#[test]
fn the_readmes_examples_print_what_it_says() {
    let readme = std::fs::read_to_string(root("README.md")).unwrap();
    let mut examples = 0;
    for block in readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        for example in block.split("$ cargo run -q -p vram -- ").skip(1) {
            let (call, shown) = example.split_once('\n').unwrap();
            let printed = text(&vram(&call.split_whitespace().collect::<Vec<_>>()));
            assert!(matches(shown, &printed), "{call}\n{printed}");
            examples += 1;
        }
    }
    assert!(examples >= 4, "{examples}");
}

#[test]
fn every_bad_link_is_refused_with_a_sentence_in_both_languages() {
    let mut all = String::new();
    for link in std::fs::read_to_string(root("tests/bad_input/links.txt")).unwrap().lines() {
        if link.starts_with('#') {
            continue;
        }
        writeln!(all, "{link}").unwrap();
        for lang in ["en", "zh"] {
            let output = vram(&["estimate", "--lang", lang, "--link", link]);
            assert_eq!(output.status.code(), Some(2), "{link}");
            writeln!(all, "  {}", text(&output).trim().replace('\n', "\n  ")).unwrap();
        }
    }
    assert_snapshot!(all);
}

#[test]
fn every_bad_configuration_is_refused_with_a_sentence_in_both_languages() {
    let mut all = String::new();
    for config in std::fs::read_to_string(root("tests/bad_input/configs.txt")).unwrap().lines() {
        if config.starts_with('#') {
            continue;
        }
        writeln!(all, "{config}").unwrap();
        for lang in ["en", "zh"] {
            let output = with_input(&["estimate", "--lang", lang, "--config", "/dev/stdin"], config);
            assert_eq!(output.status.code(), Some(2), "{config}");
            writeln!(all, "  {}", text(&output).trim()).unwrap();
        }
    }
    let long = format!("{{\"model_type\":\"llama\",\"note\":\"{}\"}}", "x".repeat(10_000_000));
    let output = with_input(&["estimate", "--config", "/dev/stdin"], &long);
    writeln!(all, "10 MB\n  {}", text(&output).trim()).unwrap();
    assert_snapshot!(all);
}

fn with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vram"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn each_link_of_the_corpus_has_its_expected_total() {
    for line in std::fs::read_to_string(root("tests/links/links.tsv")).unwrap().lines() {
        let Some((expected, link)) = line.split_once('\t') else { continue };
        let json: Value =
            serde_json::from_slice(&vram(&["estimate", "--link", link, "--format", "json"]).stdout).unwrap();
        assert_eq!(json["peak"]["requested"].to_string(), expected, "{link}");
        // A link from before a field existed opens with that field's default; what it said is kept word for word.
        let written: Vec<&str> = json["link"].as_str().unwrap().split(['?', '&']).collect();
        assert!(link.split(['?', '&']).all(|pair| written.contains(&pair)), "{link}");
    }
}

#[test]
fn the_json_that_others_rely_on_has_its_keys_and_sums() {
    let json: Value = serde_json::from_slice(&vram(&["estimate", "--format", "json"]).stdout).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["peak"]["instant"], "optimizer_step");
    assert!(json["peak"]["device"].is_u64());
    for bound in ["low", "likely", "high"] {
        assert!(json["peak"]["reserved"][bound].is_u64());
    }
    for instant in json["instants"].as_array().unwrap() {
        let entries = json["entries"].as_array().unwrap().iter();
        let alive = entries.filter(|entry| entry["instants"].as_array().unwrap().contains(&instant["name"]));
        let sum: u64 = alive.map(|entry| entry["bytes"].as_u64().unwrap()).sum();
        assert_eq!(instant["requested"], sum);
        let categories: u64 =
            instant["categories"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(instant["requested"], categories);
    }
}

#[test]
fn a_scenario_file_says_the_same_as_a_link() {
    let file = r#"{ "model": "gpt2", "b": 8, "s": 512, "recipe": "fp32" }"#;
    let from_file = with_input(&["estimate", "--scenario", "-", "--format", "json"], file);
    let from_flags = vram(&[
        "estimate", "--model", "gpt2", "-b", "8", "-s", "512", "--recipe", "fp32", "--format", "json",
    ]);
    assert_eq!(from_file.stdout, from_flags.stdout);
    let typo = with_input(&["estimate", "--scenario", "-"], r#"{ "batch": 8 }"#);
    assert_eq!(typo.status.code(), Some(2));
    assert!(text(&typo).contains("\"batch\" was given"), "{}", text(&typo));
}

#[test]
fn exit_statuses_say_done_falls_short_or_bad_input() {
    let status = |arguments: &[&str]| vram(arguments).status.code();
    assert_eq!(status(&["estimate", "--check"]), Some(0));
    assert_eq!(status(&["estimate", "--gpu", "t4-16gb"]), Some(0));
    assert_eq!(status(&["estimate", "--gpu", "t4-16gb", "--check"]), Some(1));
    assert_eq!(status(&["estimate", "--micro-batch", "0"]), Some(2));
    assert_eq!(status(&["estimate", "--config", "no-such-file"]), Some(2));
    let goldens = root("tests/goldens/more.jsonl");
    assert_eq!(status(&["accuracy", &goldens, "--max-error", "0.01"]), Some(0));
    assert_eq!(status(&["accuracy", &goldens, "--max-error", "0"]), Some(1));
}

#[test]
fn models_and_gpus_are_listed_in_every_format() {
    for (list, first) in [("models", "phi-3-mini-4k-instruct"), ("gpus", "b200-180gb")] {
        for format in ["table", "json", "csv", "markdown"] {
            assert!(text(&vram(&[list, "--format", format])).contains(first), "{list} {format}");
        }
    }
    assert!(text(&vram(&["estimate", "--format", "svg"])).starts_with("<svg"));
}
