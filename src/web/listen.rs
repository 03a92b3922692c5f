//! What the browser tells of its page: it hides, is seen again, goes away, comes back.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Document, Event, EventTarget, PageTransitionEvent, VisibilityState};

use super::page::Browser;
use crate::time::Now;
use crate::tracker::Tracker;

/// What the core is told of it.
pub type Happened = fn(&mut Tracker, Now);

/// A listener that ends with its owner.
#[derive(Debug)]
pub struct Listener {
    target: EventTarget,
    kind: &'static str,
    closure: Closure<dyn Fn(Event)>,
}

impl Listener {
    fn on(target: &EventTarget, kind: &'static str, call: impl Fn(Event) + 'static) -> Self {
        let closure = Closure::<dyn Fn(Event)>::new(call);
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

/// Calls `tell` with what happened to the page. Not on `unload`: that would keep the page out of
/// the bfcache, and on phones often neither it nor `pagehide` comes, but `hidden` always does.
/// Timers of a hidden page are late: what is due is done when it is seen again.
pub fn on_page(browser: &Browser, tell: impl Fn(Happened) + Clone + 'static) -> [Listener; 4] {
    let document: Document = browser.document.clone();
    let (seen, gone, frozen) = (tell.clone(), tell.clone(), tell.clone());
    [
        Listener::on(&browser.document, "visibilitychange", move |_| {
            let is_hidden = document.visibility_state() == VisibilityState::Hidden;
            seen(if is_hidden { Tracker::handle_leave } else { Tracker::handle_timeout });
        }),
        Listener::on(&browser.window, "pagehide", move |_| gone(Tracker::handle_pagehide)),
        // The last moment before the bfcache: the journal can be given up.
        Listener::on(&browser.document, "freeze", move |_| frozen(Tracker::handle_timeout)),
        Listener::on(&browser.window, "pageshow", move |event| {
            if event.dyn_ref::<PageTransitionEvent>().is_some_and(PageTransitionEvent::persisted) {
                tell(Tracker::handle_restore);
            }
        }),
    ]
}
