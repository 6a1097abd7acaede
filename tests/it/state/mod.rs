//! Knowing the states that tasks are in, through the real binary.

mod list;

use crate::support::batchctl::Scene;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use batchctl::sandbox::Witness;
use std::time::Duration;

/// A sandbox of this process that answers at once, and a scene that calls it.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) witness: Witness,
    _sandbox: SandboxThread,
}

impl Stage {
    pub(crate) fn of(settings: SandboxSettings) -> Self {
        let latency = Duration::ZERO..=Duration::ZERO;
        let sandbox = SandboxThread::start(SandboxSettings { latency, ..settings }).unwrap();
        let mut scene = Scene::new();
        scene.set("BATCHCTL_ENDPOINT", sandbox.url());
        scene.set("BATCHCTL_PROJECT_ID", "project-1");
        scene.set("BATCHCTL_TOKEN", "any");
        scene.set("BATCHCTL_RATE", "none");
        Self { scene, witness: sandbox.witness(), _sandbox: sandbox }
    }
}
