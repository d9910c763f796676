//! Catches a panic in a case or in a world, so that the run goes on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static ISOLATED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `body`, and returns its result. If `body` panics, returns the place and message of the
/// panic as an error, and prints nothing.
///
/// A panic may leave data half changed, so the caller ends the case or recording, and then discards
/// the world.
pub(crate) fn isolate<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let outer = ISOLATED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    ISOLATED.set(outer);
    result.map_err(|panic| {
        let words = words(panic.as_ref());
        match PLACE.take() {
            Some(place) => format!("{place}: {words}"),
            None => words,
        }
    })
}

/// Installs, once, a panic hook that keeps the place and prints nothing for a panic inside of
/// [`isolate`] on the same thread. Other panics go to the former hook.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if ISOLATED.get() {
                let place = info
                    .location()
                    .map(|place| format!("{}:{}", place.file(), place.line()));
                PLACE.set(place);
            } else {
                usual(info);
            }
        }));
    });
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(ToString::to_string);
    words
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
