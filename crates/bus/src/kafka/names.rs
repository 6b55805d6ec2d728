//! What topics and groups are called on the cluster.

use std::collections::HashMap;

use sentinel_model::Topic;

pub(super) struct Names {
    prefix: String,
    by_topic: HashMap<Topic, String>,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        let by_topic = Topic::ALL.into_iter().map(|topic| (topic, format!("{prefix}{topic}")));
        Self { prefix: prefix.to_owned(), by_topic: by_topic.collect() }
    }

    pub fn topic(&self, topic: Topic) -> &str {
        &self.by_topic[&topic]
    }

    pub fn topic_of(&self, name: &str) -> Option<Topic> {
        Topic::from_name(name.strip_prefix(&self.prefix)?)
    }

    pub fn group(&self, group: &str) -> String {
        format!("{}{group}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_prefix_and_are_read_back() {
        let names = Names::new("staging.");
        for topic in Topic::ALL {
            assert_eq!(names.topic(topic), format!("staging.{topic}"));
            assert_eq!(names.topic_of(names.topic(topic)), Some(topic));
        }
        assert_eq!(names.topic_of(Topic::Logs.as_str()), None, "another installation's");
        assert_eq!(names.topic_of("staging.other"), None);
        assert_eq!(names.group("sentinel-windows"), "staging.sentinel-windows");
    }
}
