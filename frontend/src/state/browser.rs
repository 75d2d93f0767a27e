//! The few things that are asked of the browser.

use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;

/// Device pixels a CSS pixel.
pub(crate) fn pixel_ratio() -> f64 {
    web_sys::window().map_or(1.0, |window| window.device_pixel_ratio()).clamp(0.5, 8.0)
}

/// Calls `act` at each event of the window, for as long as the page lives.
pub(crate) fn on_window(event: &str, act: impl FnMut() + 'static) {
    let closure = Closure::<dyn FnMut()>::new(act);
    if let Some(window) = web_sys::window() {
        // Without the listener the page still answers; it only doesn't follow this event.
        let _ = window.add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
    }
    closure.forget();
}

/// Calls `act` with whether a media query holds, now and whenever that changes.
pub(crate) fn on_media(query: &str, mut act: impl FnMut(bool) + 'static) {
    let Some(list) = web_sys::window().and_then(|window| window.match_media(query).ok().flatten()) else {
        return;
    };
    act(list.matches());
    let watched = list.clone();
    let closure = Closure::<dyn FnMut()>::new(move || act(watched.matches()));
    let _ = list.add_event_listener_with_callback("change", closure.as_ref().unchecked_ref());
    closure.forget();
}

/// Copies text, then calls `done` with whether that was allowed.
pub(crate) fn copy(text: &str, done: impl FnOnce(bool) + 'static) {
    let Some(window) = web_sys::window() else {
        return done(false);
    };
    let clipboard = window.navigator().clipboard();
    if clipboard.is_undefined() {
        // No clipboard outside of a secure context.
        return done(false);
    }
    let promise = clipboard.write_text(text);
    leptos::task::spawn_local(async move {
        done(wasm_bindgen_futures::JsFuture::from(promise).await.is_ok());
    });
}

/// Calls `done` with the text of a file beside the page; none where it can't be had.
pub(crate) fn text_of(file: &str, done: impl FnOnce(Option<String>) + 'static) {
    let Some(asked) = web_sys::window().map(|window| window.fetch_with_str(file)) else {
        return done(None);
    };
    leptos::task::spawn_local(async move { done(text(asked).await) });
}

async fn text(asked: js_sys::Promise) -> Option<String> {
    let response = wasm_bindgen_futures::JsFuture::from(asked).await.ok()?;
    let response = response.dyn_into::<web_sys::Response>().ok().filter(web_sys::Response::ok)?;
    wasm_bindgen_futures::JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}

/// Files that the reader has chosen or dropped.
pub(crate) fn list_of_files(files: Option<web_sys::FileList>) -> Vec<web_sys::File> {
    files.map(|files| (0..files.length()).filter_map(|at| files.get(at)).collect()).unwrap_or_default()
}

/// Calls `act` when a key is pressed that is not meant for a field.
pub(crate) fn on_key(key: &'static str, act: impl Fn() + 'static) {
    let pressed = move |event: web_sys::KeyboardEvent| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let is_in_field = target
            .is_some_and(|target| matches!(target.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"));
        if event.key() == key && !is_in_field && !event.ctrl_key() && !event.meta_key() && !event.alt_key() {
            event.prevent_default();
            act();
        }
    };
    let closure = Closure::<dyn FnMut(web_sys::KeyboardEvent)>::new(pressed);
    if let Some(window) = web_sys::window() {
        let _ = window.add_event_listener_with_callback("keydown", closure.as_ref().unchecked_ref());
    }
    closure.forget();
}
