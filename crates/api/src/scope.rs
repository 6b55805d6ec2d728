//! Clusters and namespaces as filters of everything: objects, documents, series.

use sentinel_log_store::{DocumentField, FieldFilter};
use sentinel_model::{CANARY_NAMESPACE, LabelMatcher, MatchOp, ObjectState, Selector};

use crate::error::ApiError;
use crate::params::Scope;

pub trait InScope {
    fn holds(&self, state: &ObjectState) -> bool;
    fn holds_names(&self, cluster: &str, namespace: &str) -> bool;
    /// The selector, narrowed.
    fn narrow(&self, selector: Selector) -> Result<Selector, ApiError>;
}

impl InScope for Scope {
    /// A namespace is in itself; other cluster-scoped objects are in every namespace.
    fn holds(&self, state: &ObjectState) -> bool {
        let namespace = if &*state.key.kind == "Namespace" { &state.name } else { &state.namespace };
        self.holds_names(&state.key.cluster, namespace)
    }

    fn holds_names(&self, cluster: &str, namespace: &str) -> bool {
        self.cluster.as_deref().is_none_or(|wanted| wanted == cluster)
            && (self.namespace.is_empty()
                || namespace.is_empty()
                || self.namespace.iter().any(|wanted| wanted == namespace))
    }

    fn narrow(&self, mut selector: Selector) -> Result<Selector, ApiError> {
        if let Some(cluster) = &self.cluster {
            selector = selector.and(LabelMatcher::equal("cluster", cluster));
        }
        match self.namespace.as_slice() {
            [] => {}
            [namespace] => selector = selector.and(LabelMatcher::equal("namespace", namespace)),
            namespaces => {
                let quoted: Vec<String> = namespaces.iter().map(|name| literal(name)).collect();
                let any = LabelMatcher::new("namespace", MatchOp::Regex, quoted.join("|"))
                    .map_err(|error| ApiError::parameter("namespace", error.to_string()))?;
                selector = selector.and(any);
            }
        }
        Ok(selector)
    }
}

/// A regular expression that only this text matches.
fn literal(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || c == '_';
    text.chars().flat_map(|c| (!is_plain(c)).then_some('\\').into_iter().chain([c])).collect()
}

/// Filters of log lines: those of canaries are shown to whoever asks for their namespace.
pub fn line_fields(scope: &Scope, others: &[(DocumentField, Vec<String>)]) -> Vec<FieldFilter> {
    let mut fields = document_fields(scope, others);
    if scope.namespace.is_empty() {
        let values = vec![CANARY_NAMESPACE.to_owned()];
        fields.push(FieldFilter { field: DocumentField::Namespace, values, is_negated: true });
    }
    fields
}

/// Filters of documents: the scope's and others of which each must hold one of its values (none given:
/// all pass).
pub fn document_fields(scope: &Scope, others: &[(DocumentField, Vec<String>)]) -> Vec<FieldFilter> {
    let scope = [
        (DocumentField::Cluster, scope.cluster.iter().cloned().collect()),
        (DocumentField::Namespace, scope.namespace.clone()),
    ];
    let given = scope
        .into_iter()
        .chain(others.iter().cloned())
        .filter(|(_, values): &(_, Vec<_>)| !values.is_empty());
    given.map(|(field, values)| FieldFilter { field, values, is_negated: false }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sentinel_model::Labels;

    use super::*;

    fn scope(cluster: Option<&str>, namespaces: &[&str]) -> Scope {
        let namespace = namespaces.iter().map(|name| (*name).to_owned()).collect();
        Scope { cluster: cluster.map(str::to_owned), namespace }
    }

    #[test]
    fn cluster_scoped_objects_are_in_every_namespace() {
        assert!(scope(None, &["shop"]).holds_names("a", ""));
        assert!(!scope(None, &["shop"]).holds_names("a", "media"));
        assert!(!scope(Some("b"), &[]).holds_names("a", "shop"));
    }

    proptest! {
        #[test]
        fn narrowing_chooses_exactly_the_named_namespaces(
            names in prop::collection::vec("[a-z.*|-]{1,6}", 1..4),
            other in "[a-z.*|-]{1,6}",
        ) {
            let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
            let selector = scope(None, &wanted).narrow(Selector::default()).expect("any name is fine");
            let is_in = |namespace: &str| {
                selector.matches(&Labels::from_pairs([("namespace", namespace)]).expect("one pair"))
            };
            for name in &names {
                prop_assert!(is_in(name));
            }
            prop_assert_eq!(is_in(&other), names.contains(&other));
        }
    }
}
