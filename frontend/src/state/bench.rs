//! `window.vramBench(n)`: the average time of `n` estimates in microseconds, for the benchmark.

use vram_core::{Scenario, estimate};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

pub(crate) fn install() {
    let closure = Closure::<dyn Fn(u32) -> f64>::new(run);
    if let Some(window) = web_sys::window() {
        let _ = js_sys::Reflect::set(&window, &JsValue::from_str("vramBench"), closure.as_ref());
    }
    closure.forget();
}

fn run(n: u32) -> f64 {
    let Some(performance) = web_sys::window().and_then(|window| window.performance()) else {
        return f64::NAN;
    };
    let scenario = Scenario::default();
    let before = performance.now();
    for _ in 0..n {
        let _ = std::hint::black_box(estimate(std::hint::black_box(&scenario)));
    }
    (performance.now() - before) * 1000.0 / f64::from(n.max(1))
}
