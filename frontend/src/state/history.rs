//! The address bar: the link of the scenario, written at once, but not more often than browsers allow.

use std::cell::RefCell;
use std::time::Duration;

use leptos::prelude::{TimeoutHandle, set_timeout_with_handle};
use wasm_bindgen::JsValue;

/// Safari refuses more than a hundred writes in ten seconds.
const BETWEEN_WRITES_MS: f64 = 300.0;

struct Pending {
    last_write: f64,
    timer: Option<TimeoutHandle>,
}

thread_local! {
    static PENDING: RefCell<Pending> = const { RefCell::new(Pending { last_write: f64::NEG_INFINITY, timer: None }) };
}

fn now() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}

/// The query of the address.
pub(crate) fn query() -> String {
    web_sys::window().and_then(|window| window.location().search().ok()).unwrap_or_default()
}

/// The address up to the query.
pub(crate) fn page() -> String {
    let href = web_sys::window().and_then(|window| window.location().href().ok()).unwrap_or_default();
    href.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn cancel() {
    PENDING.with_borrow_mut(|pending| {
        if let Some(timer) = pending.timer.take() {
            timer.clear();
        }
    });
}

fn write(link: &str, push: bool) {
    cancel();
    PENDING.with_borrow_mut(|pending| pending.last_write = now());
    let Some(history) = web_sys::window().and_then(|window| window.history().ok()) else {
        return;
    };
    // A browser that refuses (an archived page, a sandbox) keeps its address; the page goes on.
    let _ = if push {
        history.push_state_with_url(&JsValue::NULL, "", Some(link))
    } else {
        history.replace_state_with_url(&JsValue::NULL, "", Some(link))
    };
}

/// Puts the link into the address: at once, or, shortly after another write, when that time is over.
pub(crate) fn replace(link: String) {
    cancel();
    let since = PENDING.with_borrow(|pending| now() - pending.last_write);
    if since >= BETWEEN_WRITES_MS {
        write(&link, false);
        return;
    }
    let wait = Duration::from_secs_f64((BETWEEN_WRITES_MS - since).clamp(0.0, BETWEEN_WRITES_MS) / 1000.0);
    let timer = set_timeout_with_handle(move || write(&link, false), wait).ok();
    PENDING.with_borrow_mut(|pending| pending.timer = timer);
}

/// Adds an entry to the history: a preset or a ready scenario was chosen.
pub(crate) fn push(link: &str) {
    write(link, true);
}
