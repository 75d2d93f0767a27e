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

/// Calls `done` with the text of a file that the reader has chosen; none where the browser can't read it.
pub(crate) fn text_of_file(file: &web_sys::File, done: impl FnOnce(Option<String>) + 'static) {
    let text = file.text();
    leptos::task::spawn_local(async move {
        done(wasm_bindgen_futures::JsFuture::from(text).await.ok().and_then(|text| text.as_string()));
    });
}
