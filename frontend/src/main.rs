//! The page: a thin view over the estimator, computed in the reader's browser.

#![expect(unreachable_pub, reason = "what the component macro makes is public within this program")]

mod app;
mod controls;
mod panels;
mod state;

fn main() {
    state::bench::install();
    leptos::mount::mount_to_body(app::App);
}
