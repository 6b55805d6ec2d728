//! The pace of the simulation. The world's clock is always that of its clients; at a pace of 60 things
//! take a sixtieth of their time. No timestamp is ever ahead of the clock, and none goes back.

use sentinel_model::Timestamp;

use super::World;

impl World {
    pub fn pace(&self) -> f64 {
        self.origin.pace()
    }

    /// From now on waits, load, leaks and faults run at `pace` times their speed, those under way too.
    pub fn set_pace(&mut self, pace: f64) {
        let ratio = pace / self.pace();
        if (ratio - 1.0).abs() < f64::EPSILON {
            return;
        }
        let (now, moment) = (self.now, self.moment(self.now));
        for pod in self.pods.values_mut() {
            let curve = &self.workloads[pod.workload.0 as usize].curve;
            for container in &mut pod.containers {
                if let Some(meter) = &mut container.meter {
                    meter.change(curve, moment, meter.regime());
                }
                if let Some(leak) = &mut container.leak {
                    leak.since = shifted(now, leak.since, ratio);
                    leak.bytes_per_second *= ratio;
                }
            }
            pod.turned = now;
        }
        for volume in self.workloads.iter_mut().flat_map(|workload| &mut workload.volumes) {
            volume.used = volume.used_at(now);
            volume.bytes_per_second *= ratio;
            volume.since = now;
        }
        self.agenda.hasten(now, ratio);
        self.origin.set_pace(now, pace);
    }

    /// How long something takes that takes so many milliseconds at a pace of 1.
    pub(super) fn span(&self, millis: i64) -> i64 {
        let pace = self.pace();
        if pace == 1.0 { millis } else { (millis as f64 / pace).round() as i64 }
    }
}

/// A time as far away from now as it is at another pace.
pub(super) fn shifted(now: Timestamp, at: Timestamp, ratio: f64) -> Timestamp {
    now.saturating_add_millis((at.millis_since(now) as f64 / ratio).round() as i64)
}
