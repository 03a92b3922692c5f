//! What a page knows: its two clocks, its entropy, where it is.

use alloc::string::String;

use js_sys::Date;
use web_sys::{Document, Performance, UrlSearchParams, Window};

use super::options::InitError;
use crate::event::Page;
use crate::time::{Now, TickMs, UnixMs};

/// The page and the parts of it that every call needs.
#[derive(Debug)]
pub struct Browser {
    pub window: Window,
    pub document: Document,
    performance: Performance,
}

impl Browser {
    /// This page.
    pub fn open() -> Result<Self, InitError> {
        let window = web_sys::window().ok_or(InitError::NoWindow)?;
        let document = window.document().ok_or(InitError::NoWindow)?;
        let performance = window.performance().ok_or(InitError::NoWindow)?;
        Ok(Self { window, document, performance })
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        // Both are far below 2^53 and a cast from a float saturates.
        let (wall, tick) = (Date::now(), self.performance.now());
        Now { wall: UnixMs(wall as i64), tick: TickMs(tick as u64) }
    }

    /// 32 bytes of the platform's entropy.
    pub fn seed(&self) -> Result<[u64; 4], InitError> {
        let mut bytes = [0_u8; 32];
        let crypto = self.window.crypto().map_err(|_| InitError::NoWindow)?;
        crypto.get_random_values_with_u8_array(&mut bytes).map_err(|_| InitError::NoWindow)?;
        let mut seed = [0; 4];
        for (word, bytes) in seed.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = bytes.iter().fold(0, |word, &byte| (word << 8) | u64::from(byte));
        }
        Ok(seed)
    }
}

/// Where a page is and where its visitor came from; what cannot be read is empty.
#[derive(Debug, Default)]
pub struct Place {
    hostname: String,
    pathname: String,
    referrer: String,
    utm_source: String,
    utm_medium: String,
    utm_campaign: String,
}

impl Place {
    /// As it is now.
    pub fn read(browser: &Browser) -> Self {
        let location = browser.window.location();
        let query = location.search().and_then(|text| UrlSearchParams::new_with_str(&text)).ok();
        let utm = |name| query.as_ref().and_then(|query| query.get(name)).unwrap_or_default();
        Self {
            hostname: location.hostname().unwrap_or_default(),
            pathname: location.pathname().unwrap_or_default(),
            referrer: browser.document.referrer(),
            utm_source: utm("utm_source"),
            utm_medium: utm("utm_medium"),
            utm_campaign: utm("utm_campaign"),
        }
    }

    /// As the core takes it.
    pub fn page(&self) -> Page<'_> {
        Page {
            hostname: &self.hostname,
            pathname: &self.pathname,
            referrer: &self.referrer,
            utm_source: &self.utm_source,
            utm_medium: &self.utm_medium,
            utm_campaign: &self.utm_campaign,
            visitor_id: "",
        }
    }
}
