//! The page.
use leptos::prelude::*;
use plotters_canvas as _;
fn main() { leptos::mount::mount_to_body(|| view! { <p>"x"</p> }); }
