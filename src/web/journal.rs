//! The browser's storage and its locks, by the same JavaScript as the npm package's shell.

use core::fmt;

use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::{Closure, JsValue, wasm_bindgen};

use crate::journal::{RecordKey, StoreId};
use crate::rng::Uuid;
use crate::tracker::{Found, Store};

#[wasm_bindgen(module = "/src/effects/journal.js")]
extern "C" {
    type Effect;

    #[wasm_bindgen(js_name = makeJournal)]
    fn make_journal(heard: &Object) -> Effect;

    #[wasm_bindgen(method)]
    fn open(this: &Effect, key: &Uint8Array);
    #[wasm_bindgen(method)]
    fn store(this: &Effect, id: u32, key: &Uint8Array, record: &Uint8Array, squeeze: bool);
    #[wasm_bindgen(method)]
    fn forget(this: &Effect, key: &Uint8Array);
    #[wasm_bindgen(method)]
    fn adopt(this: &Effect);
    #[wasm_bindgen(method)]
    fn release(this: &Effect);
}

/// Who hears what came of it, never while a call is under way.
pub trait Heard: Clone + 'static {
    /// Whether lock and database are there.
    fn opened(&self, ok: bool);
    /// A write takes so many bytes; 0 when it failed.
    fn stored(&self, id: StoreId, record_bytes: u32);
    /// A record of a journal that nobody held. Whether that journal is to be kept.
    fn orphan(&self, key: RecordKey, record: &[u8], record_bytes: u32) -> bool;
    /// Journals were looked for.
    fn adopted(&self, found: Found);
}

/// One page's journal. Its locks go with it, so that others may adopt what is left in it.
pub struct Journal {
    effect: Effect,
}

impl Journal {
    /// `heard` lives until JavaScript has forgotten the journal, which may be after its owner.
    pub fn new(heard: impl Heard) -> Self {
        let callbacks = Object::new();
        let set = |name, closure| {
            // Only a frozen object could refuse it.
            let is_set = Reflect::set(&callbacks, &JsValue::from_str(name), &closure);
            debug_assert!(is_set.is_ok());
        };
        let it = heard.clone();
        set("opened", Closure::<dyn Fn(bool)>::new(move |ok| it.opened(ok)).into_js_value());
        let it = heard.clone();
        let stored = move |id, bytes| it.stored(StoreId(id), bytes);
        set("stored", Closure::<dyn Fn(u32, u32)>::new(stored).into_js_value());
        let it = heard.clone();
        let orphan = move |key: Uint8Array, record: Uint8Array, record_bytes: u32| {
            read_key(&key).is_some_and(|key| it.orphan(key, &record.to_vec(), record_bytes))
        };
        let orphan = Closure::<dyn Fn(Uint8Array, Uint8Array, u32) -> bool>::new(orphan);
        set("orphan", orphan.into_js_value());
        let adopted = move |found| heard.adopted(found_by(found));
        set("adopted", Closure::<dyn Fn(u32)>::new(adopted).into_js_value());
        Self { effect: make_journal(&callbacks) }
    }

    pub fn open(&self, journal: Uuid) {
        self.effect.open(&written_key(RecordKey { journal, batch: Uuid::default() }));
    }

    pub fn store(&self, store: Store, record: &[u8]) {
        let record = Uint8Array::from(record);
        self.effect.store(store.id.0, &written_key(store.key), &record, store.squeeze);
    }

    pub fn forget(&self, key: RecordKey) {
        self.effect.forget(&written_key(key));
    }

    pub fn adopt(&self) {
        self.effect.adopt();
    }

    pub fn release(&self) {
        self.effect.release();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// What the effect's number for it means.
const fn found_by(number: u32) -> Found {
    match number {
        0 => Found::Nothing,
        1 => Found::Held,
        _ => Found::Orphans,
    }
}

/// As the effect takes it: 16 bytes of the journal and 16 of the batch.
fn written_key(key: RecordKey) -> Uint8Array {
    Uint8Array::from([key.journal.0, key.batch.0].concat().as_slice())
}

fn read_key(key: &Uint8Array) -> Option<RecordKey> {
    let bytes = key.to_vec();
    let (journal, batch) = bytes.split_first_chunk()?;
    Some(RecordKey { journal: Uuid(*journal), batch: Uuid(*batch.first_chunk()?) })
}
