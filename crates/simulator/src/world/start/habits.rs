//! What goes on in every cluster all the time, planned once at the founding.

use crate::catalogue::AppKind;
use crate::dice::Dice;
use crate::time::{MINUTE, SECOND};
use crate::world::life::Habit;
use crate::world::{Action, NodeId, WorkloadId, World};

impl World {
    pub(super) fn plan_habits(&mut self) {
        let mut dice = Dice::keyed(self.seed, "habits");
        for id in 0..self.nodes.len() {
            let node = NodeId(id as u16);
            self.after(dice.whole(0, 10 * SECOND), Action::Renew(node));
            self.after(dice.whole(0, 5 * MINUTE), Action::Heartbeat(node));
        }
        for id in 0..self.workloads.len() {
            let workload = WorkloadId(id as u32);
            if let AppKind::CronJob(minutes, _) = self.workloads[id].app.kind {
                let next = self.now.floor(minutes * MINUTE).saturating_add_millis(minutes * MINUTE);
                self.agenda.plan(next.saturating_add_millis(40), Action::RunJob(workload));
            }
            if self.workloads[id].autoscaler.is_some() {
                self.after(dice.whole(0, 15 * SECOND), Action::Autoscale(workload));
            }
        }
        self.after(MINUTE, Action::ExpireEvents);
        self.after(dice.whole(MINUTE, 8 * MINUTE), Action::Live(Habit::Release));
        self.after(dice.whole(0, 2 * MINUTE), Action::Live(Habit::Hiccup));
    }
}
