//! Everything that the three listeners share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;

use crate::faults::{FaultBox, Faults};
use crate::fleet::Fleet;
use crate::limits::{FixedWindows, SlidingWindow};
use crate::panda::Panda;
use crate::traffic::Traffic;

/// What a client of the stand-ins needs. They are no secrets: they open nothing but a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// The Kandji API token.
    pub kandji_token: String,
    /// The Asset Panda Pro `Access-Key-Id`.
    pub access_key_id: String,
    /// The Asset Panda Pro `Access-Key-Secret`.
    pub access_key_secret: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            kandji_token: "5a4db0c5-0000-4000-8000-00000000c0de".to_owned(),
            access_key_id: "SANDBOXKEYID".to_owned(),
            access_key_secret: "sandbox-key-secret".to_owned(),
        }
    }
}

/// What the lag of search and the windows of the Asset Panda limit go by.
#[derive(Clone, Debug)]
pub enum SandboxTime {
    /// The time that passes.
    Passing(Instant),
    /// Milliseconds that whoever started the sandbox turns ahead: nobody has to wait.
    Turned(Arc<AtomicU64>),
}

impl Default for SandboxTime {
    fn default() -> Self {
        Self::Passing(Instant::now())
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) credentials: Credentials,
    pub(crate) faults: FaultBox,
    pub(crate) traffic: Traffic,
    time: SandboxTime,
    fleet: RwLock<Fleet>,
    panda: Mutex<Panda>,
    kandji_windows: Mutex<FixedWindows>,
    panda_window: Mutex<SlidingWindow>,
    /// The last page of devices, kept only while `repeat_page_at` is set.
    pub(crate) last_page: Mutex<Option<Bytes>>,
}

impl World {
    pub(crate) fn new(credentials: Credentials, faults: Faults, fleet: Fleet, panda: Panda, time: SandboxTime) -> Self {
        Self {
            credentials,
            faults: FaultBox::new(faults),
            traffic: Traffic::new(),
            time,
            fleet: RwLock::new(fleet),
            panda: Mutex::new(panda),
            kandji_windows: Mutex::default(),
            panda_window: Mutex::default(),
            last_page: Mutex::default(),
        }
    }

    pub(crate) fn fleet(&self) -> RwLockReadGuard<'_, Fleet> {
        self.fleet.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fleet_mut(&self) -> RwLockWriteGuard<'_, Fleet> {
        self.fleet.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn panda(&self) -> MutexGuard<'_, Panda> {
        self.panda.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn kandji_windows(&self) -> MutexGuard<'_, FixedWindows> {
        self.kandji_windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn panda_window(&self) -> MutexGuard<'_, SlidingWindow> {
        self.panda_window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the start.
    pub(crate) fn millis(&self) -> u64 {
        match &self.time {
            SandboxTime::Passing(start) => u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            SandboxTime::Turned(millis) => millis.load(Ordering::Relaxed),
        }
    }
}

/// Seconds since 1970, for windows that follow the clock.
pub(crate) fn clock_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
