//! When a page hides or goes away.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Document, EventTarget, VisibilityState};

use super::page::Browser;

/// A listener that ends with its owner.
#[derive(Debug)]
pub struct Listener {
    target: EventTarget,
    kind: &'static str,
    closure: Closure<dyn Fn()>,
}

impl Listener {
    fn on(target: &EventTarget, kind: &'static str, call: impl Fn() + 'static) -> Self {
        let closure = Closure::<dyn Fn()>::new(call);
        let function = closure.as_ref().unchecked_ref();
        // It throws only for a target that is none.
        let added = target.add_event_listener_with_callback(kind, function);
        debug_assert!(added.is_ok());
        Self { target: target.clone(), kind, closure }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let function = self.closure.as_ref().unchecked_ref();
        let removed = self.target.remove_event_listener_with_callback(self.kind, function);
        debug_assert!(removed.is_ok());
    }
}

/// Calls `leave` when the page hides or goes away. Not on `unload`: that would keep the page out
/// of the bfcache, and on phones often neither it nor `pagehide` comes, but `hidden` always does.
pub fn on_leave(browser: &Browser, leave: impl Fn() + Clone + 'static) -> [Listener; 2] {
    let document: Document = browser.document.clone();
    let hide = leave.clone();
    [
        Listener::on(&browser.document, "visibilitychange", move || {
            if document.visibility_state() == VisibilityState::Hidden {
                hide();
            }
        }),
        Listener::on(&browser.window, "pagehide", leave),
    ]
}
