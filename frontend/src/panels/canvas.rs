//! A canvas as sharp as the screen, as wide as its frame.

use leptos::prelude::*;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea as _};
use plotters_canvas::CanvasBackend;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;

/// Before the page has been laid out.
pub(super) const FIRST_WIDTH: i32 = 760;

pub(super) fn px(css: i32) -> String {
    format!("{css}px")
}

/// Follows the width of a frame.
pub(super) fn watch_width(frame: &web_sys::HtmlDivElement, width: RwSignal<i32>) {
    let measured = frame.clone();
    let closure = Closure::<dyn FnMut()>::new(move || {
        let now = measured.client_width();
        if now > 0 && width.get_untracked() != now {
            width.set(now);
        }
    });
    if let Ok(observer) = web_sys::ResizeObserver::new(closure.as_ref().unchecked_ref()) {
        observer.observe(frame);
    }
    closure.forget();
}

/// Sizes the canvas by device pixels, so that it is sharp, and draws.
pub(super) fn paint(
    canvas: &web_sys::HtmlCanvasElement,
    (width, height): (i32, i32),
    ratio: f64,
    draw: impl FnOnce(&DrawingArea<CanvasBackend, Shift>, f64),
) {
    let device = |css: i32| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand pixels")]
        {
            (f64::from(css) * ratio).round().max(1.0) as u32
        }
    };
    let (width, height) = (device(width), device(height));
    // Setting a canvas's size clears it and costs a reallocation.
    if (canvas.width(), canvas.height()) != (width, height) {
        canvas.set_width(width);
        canvas.set_height(height);
    }
    if let Some(backend) = CanvasBackend::with_canvas_object(canvas.clone()) {
        draw(&backend.into_drawing_area(), ratio);
    }
}
