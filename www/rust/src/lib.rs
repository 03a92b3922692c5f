//! A Rust application in the browser that tracks with `tallymark::web`: a ballot of birds.
//!
//! A click is an event whose properties are a struct of this crate; the counts come back from
//! ClickHouse as one of tallymark's. Plain web-sys, so that the tracking stands out.

use std::rc::Rc;

use serde::Serialize;
use tallymark::web::{Fields, Options, QueryError, Tracker};
use wasm_bindgen::prelude::{Closure, JsValue, wasm_bindgen};
use wasm_bindgen::{JsCast, JsError};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Document, Element};

/// What each click says beyond the bird.
#[derive(Serialize)]
struct Sighting<'a> {
    /// As the page calls it.
    bird: &'a str,
    /// Its number on this page view, from 1.
    click: u32,
}

/// The ids of the birds in the column `entity_id`.
const IDS: [&str; 3] = ["rust-sparrow", "rust-kestrel", "rust-heron"];
const ID_PREFIX: &str = "rust-";

/// Begins when the wasm is there.
///
/// # Errors
///
/// When there is no page, or it lacks a part: the browser's console says which.
#[wasm_bindgen(start)]
pub fn start() -> Result<(), JsError> {
    let window = web_sys::window().ok_or_else(|| JsError::new("there is no window"))?;
    let document = window.document().ok_or_else(|| JsError::new("there is no document"))?;
    let origin = document.location().and_then(|location| location.origin().ok());
    let tally = Tracker::init(Options::worker(&origin.unwrap_or_default(), "pk_demo"))?;
    let page = Rc::new(Page { document, tally });
    page.listen().map_err(|_| JsError::new("the page lacks its buttons"))?;
    page.say("Nothing was clicked yet.");
    spawn_local(async move { page.show_counts().await });
    Ok(())
}

struct Page {
    document: Document,
    tally: Tracker,
}

impl Page {
    fn listen(self: &Rc<Self>) -> Result<(), JsValue> {
        let buttons = self.document.query_selector_all("[data-bird]")?;
        for at in 0..buttons.length() {
            let Some(button) = buttons.get(at) else { continue };
            let button: Element = button.unchecked_into();
            let bird = button.get_attribute("data-bird").unwrap_or_default();
            let page = Rc::clone(self);
            let mut click = 0;
            let on_click = Closure::<dyn FnMut()>::new(move || {
                click += 1;
                page.track(&bird, click);
            });
            button.add_event_listener_with_callback("click", on_click.as_ref().unchecked_ref())?;
            // It lives as long as its button.
            on_click.forget();
        }
        Ok(())
    }

    fn track(self: &Rc<Self>, bird: &str, click: u32) {
        let id = format!("{ID_PREFIX}{bird}");
        let fields = Fields::entity("post", &id).properties(&Sighting { bird, click });
        self.tally.track("like", fields);
        self.say("On its way to ClickHouse");
        let page = Rc::clone(self);
        spawn_local(async move {
            let flushed = page.tally.flush().await;
            if flushed.ok {
                page.show_counts().await;
                page.show_counts_again();
                page.say(&format!("Stored: {} more.", flushed.delivered));
            } else {
                page.say("Nobody answers. It stays here and is sent again.");
            }
        });
    }

    /// What is stored is counted within a second.
    fn show_counts_again(self: &Rc<Self>) {
        let page = Rc::clone(self);
        let again = Closure::once_into_js(move || {
            spawn_local(async move { page.show_counts().await });
        });
        if let Some(window) = web_sys::window() {
            // Without a timer the next click shows them.
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(
                again.unchecked_ref(),
                1_000,
            );
        }
    }

    async fn show_counts(&self) {
        match self.tally.posts().bulk_summaries(&IDS).await {
            Ok(counts) => counts.iter().for_each(|(id, its)| self.show_count(id, its.likes)),
            Err(error) => self.say_error(&error),
        }
    }

    fn show_count(&self, id: &str, likes: u64) {
        let bird = id.strip_prefix(ID_PREFIX).unwrap_or_default();
        let output = self.document.query_selector(&format!("[data-count='{bird}']"));
        if let Ok(Some(output)) = output {
            output.set_text_content(Some(&likes.to_string()));
        }
    }

    fn say_error(&self, error: &QueryError) {
        self.say(&format!("The counts cannot be read: {error}"));
    }

    fn say(&self, text: &str) {
        if let Some(status) = self.document.get_element_by_id("status") {
            status.set_text_content(Some(text));
        }
    }
}
