//! Pulling images, and not being able to.

use std::sync::Arc;

use super::{Action, PodId, PodStep, State, World};
use crate::dice::Dice;
use crate::template::Behaviour;
use crate::time::{MINUTE, SECOND};

/// Back-off between pulls, doubled each time.
const FIRST_BACKOFF: i64 = 10;
const LAST_BACKOFF: i64 = 300;

impl World {
    /// Starts a container, after pulling its image if the node does not have it.
    pub(super) fn prepare(&mut self, id: PodId, container: u8) {
        let place = usize::from(container);
        let Some(pod) = self.pods.get(&id).filter(|pod| pod.deletion.is_none()) else { return };
        let Some(node) = pod.node else { return };
        let image = pod.spec_of(place).image.clone();
        let has_no_image = pod.template.behaviour == Behaviour::HasNoImage && !pod.spec_of(place).is_sidecar;
        if has_no_image {
            self.record_container(id, place, ("Pulling", format!("Pulling image \"{image}\"")));
            let wait = self.dice.whole(900, 1_900);
            self.after(wait, Action::Pod(id, PodStep::PullFails { container }));
        } else if self.nodes[usize::from(node.0)].has_image(&image) {
            let message = format!(
                "Container image \"{image}\" already present on machine and can be accessed by the pod"
            );
            self.record_container(id, place, ("Pulled", message));
            self.after(70, Action::Pod(id, PodStep::Start { container }));
        } else {
            self.record_container(id, place, ("Pulling", format!("Pulling image \"{image}\"")));
            let wait = pull_millis(&image);
            self.after(wait, Action::Pod(id, PodStep::Pulled { container }));
        }
    }

    pub(super) fn image_pulled(&mut self, id: PodId, container: u8) {
        let place = usize::from(container);
        let Some(pod) = self.pods.get(&id) else { return };
        let Some(node) = pod.node else { return };
        let image = pod.spec_of(place).image.clone();
        self.keep_image(node, &image);
        let stored = self.nodes[usize::from(node.0)].images.iter().find(|i| *i.name == *image);
        let bytes = stored.map_or(0, |image| image.bytes);
        let seconds = pull_millis(&image) as f64 / 1_000.0;
        let message = format!(
            "Successfully pulled image \"{image}\" in {seconds}s ({seconds}s including waiting). Image size: {bytes} bytes."
        );
        self.record_container(id, place, ("Pulled", message));
        self.after(70, Action::Pod(id, PodStep::Start { container }));
    }

    pub(super) fn pull_fails(&mut self, id: PodId, container: u8) {
        let place = usize::from(container);
        self.give_address(id);
        let Some(pod) = self.pods.get_mut(&id).filter(|pod| pod.deletion.is_none()) else { return };
        let image = pod.template.containers[place].image.clone();
        let cause = cause_of(&image);
        let c = &mut pod.containers[place];
        c.backoff_seconds = match c.backoff_seconds {
            0 => FIRST_BACKOFF,
            seconds => (seconds * 2).min(LAST_BACKOFF),
        };
        let backoff = c.backoff_seconds * SECOND;
        c.state = State::Waiting { reason: "ErrImagePull", message: Arc::from(cause.as_str()) };
        let message = format!("Failed to pull image \"{image}\": {cause}");
        self.warn_container(id, place, ("Failed", message));
        self.warn_container(id, place, ("Failed", "Error: ErrImagePull".to_owned()));
        self.publish_pod(id);
        self.changed(id);
        let seen = self.dice.whole(11 * SECOND, 14 * SECOND);
        self.after(seen, Action::Pod(id, PodStep::ShowPullBackOff { container }));
        let wait = backoff.max(seen) + self.dice.whole(0, 2 * SECOND) + 40;
        self.after(wait.min(6 * MINUTE), Action::Pod(id, PodStep::Prepare { container }));
    }

    pub(super) fn show_pull_back_off(&mut self, id: PodId, container: u8) {
        let place = usize::from(container);
        let Some(pod) = self.pods.get_mut(&id).filter(|pod| pod.deletion.is_none()) else { return };
        let image = pod.template.containers[place].image.clone();
        let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {}", cause_of(&image));
        pod.containers[place].state =
            State::Waiting { reason: "ImagePullBackOff", message: Arc::from(message) };
        let message = format!("Back-off pulling image \"{image}\"");
        self.record_container(id, place, ("BackOff", message));
        self.warn_container(id, place, ("Failed", "Error: ImagePullBackOff".to_owned()));
        self.publish_pod(id);
    }
}

/// As containerd words it.
fn cause_of(image: &str) -> String {
    format!(
        "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
    )
}

/// Time that pulling an image takes: the same on every node.
fn pull_millis(image: &str) -> i64 {
    Dice::keyed(11, image).whole(900, 5_200)
}
