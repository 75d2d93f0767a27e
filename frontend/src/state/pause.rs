//! Work that waits until the reader pauses.

use std::cell::RefCell;
use std::time::Duration;

use leptos::prelude::{TimeoutHandle, set_timeout_with_handle};

/// Longer than the time between two events of a moving slider.
const PAUSE: Duration = Duration::from_millis(60);

thread_local! {
    static WAITING: RefCell<Option<TimeoutHandle>> = const { RefCell::new(None) };
}

/// Calls `act` after a pause, in place of what has been waiting.
pub(super) fn then(act: impl FnOnce() + 'static) {
    let timer = set_timeout_with_handle(act, PAUSE).ok();
    if let Some(before) = WAITING.with_borrow_mut(|waiting| std::mem::replace(waiting, timer)) {
        before.clear();
    }
}
