//! The npm package's second module: cuts a batch in two. It is fetched when a receiver finds a batch
//! too large, which most pages never meet.

extern crate std;

use alloc::vec::Vec;
use core::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::journal::push_batch;
use crate::split::in_two;

std::thread_local! {
    /// The block as JavaScript puts it here, then its halves.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where to put a block of so many bytes.
#[wasm_bindgen]
#[must_use]
pub fn split_room(bytes: usize) -> usize {
    BYTES.with_borrow_mut(|block| {
        block.clear();
        block.resize(bytes, 0);
        block.as_ptr() as usize
    })
}

/// Cuts the block that is there; how many bytes its halves take, 0 if there are none.
#[wasm_bindgen]
#[must_use]
pub fn split_in_two() -> usize {
    BYTES.with_borrow_mut(|bytes| {
        let halves = in_two(bytes);
        bytes.clear();
        for half in halves {
            push_batch(half.id, half.rows, &half.body, bytes);
        }
        bytes.len()
    })
}

/// Where the halves are, in the form that `engine_split` takes.
#[wasm_bindgen]
#[must_use]
pub fn split_halves() -> usize {
    BYTES.with_borrow(|bytes| bytes.as_ptr() as usize)
}
