//! The page's allocator.
//!
//! dlmalloc, the default, costs 2,550 B of brotli; this free list next to nothing. It walks its
//! list on every call, which is short here: batches are few and their columns grow in place.

use lol_alloc::{AssumeSingleThreaded, FreeListAllocator};

// SAFETY: a page's wasm has one thread; this module is compiled for it alone, without atomics.
#[global_allocator]
static ALLOCATOR: AssumeSingleThreaded<FreeListAllocator> =
    unsafe { AssumeSingleThreaded::new(FreeListAllocator::new()) };
