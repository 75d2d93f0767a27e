//! A canvas as sharp as the screen, as wide as its frame.

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea as _};
use plotters_canvas::CanvasBackend;
use vram_chart::Theme;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;

use crate::state::{Store, on_window, pixel_ratio};

/// Before the page has been laid out.
const FIRST_WIDTH: i32 = 760;

/// What is drawn on.
pub(super) type Area = DrawingArea<CanvasBackend, Shift>;

/// A canvas and the frame that it fills.
#[derive(Clone, Copy)]
pub(super) struct Sheet {
    pub(super) frame: NodeRef<Div>,
    pub(super) canvas: NodeRef<Canvas>,
    /// The frame's, in CSS pixels.
    pub(super) width: RwSignal<i32>,
    ratio: RwSignal<f64>,
}

impl Sheet {
    /// One that follows the width of its frame and the pixels of its screen.
    pub(super) fn new() -> Self {
        let sheet = Self {
            frame: NodeRef::new(),
            canvas: NodeRef::new(),
            width: RwSignal::new(FIRST_WIDTH),
            ratio: RwSignal::new(pixel_ratio()),
        };
        on_window("resize", move || sheet.ratio.set(pixel_ratio()));
        Effect::new(move || {
            if let Some(frame) = sheet.frame.get() {
                watch_width(&frame, sheet.width);
            }
        });
        sheet
    }

    /// Draws a layout of that size whenever it, the screen or the colour scheme changes.
    pub(super) fn draw<L: Send + Sync + 'static>(
        self,
        store: Store,
        placed: Memo<L>,
        size: fn(&L) -> (i32, i32),
        draw: fn(&L, &Theme, f64, &Area),
    ) {
        Effect::new(move || {
            let Some(canvas) = self.canvas.get() else { return };
            let theme = if store.is_dark.get() { Theme::DARK } else { Theme::LIGHT };
            placed.with(|layout| {
                paint(&canvas, size(layout), self.ratio.get(), |area, ratio| {
                    draw(layout, &theme, ratio, area);
                });
            });
        });
    }
}

pub(super) fn px(css: i32) -> String {
    format!("{css}px")
}

/// Follows the width of a frame.
fn watch_width(frame: &web_sys::HtmlDivElement, width: RwSignal<i32>) {
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
fn paint(
    canvas: &web_sys::HtmlCanvasElement,
    (width, height): (i32, i32),
    ratio: f64,
    draw: impl FnOnce(&Area, f64),
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
