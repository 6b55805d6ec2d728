//! The contract as OpenAPI 3.1, made from the routes and checked in as `openapi.json`.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::{
    ContentBuilder, Info, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder, Tag,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::dto::Problem;

/// Shapes that clients send: here an optional field may be left out. Everywhere else every field is
/// there, `null` when it has no value.
const REQUESTS: [&str; 4] = ["ReplayRequest", "RetentionRequest", "TokenRequest", "VerifyRequest"];

const TAGS: [(&str, &str); 13] = [
    ("overview", "The first screen"),
    ("clusters", "Clusters and namespaces"),
    ("nodes", "Nodes"),
    ("workloads", "What keeps pods running"),
    ("pods", "Pods, their containers and logs"),
    ("objects", "Objects of any watched kind"),
    ("events", "Kubernetes events"),
    ("logs", "Log lines"),
    ("metrics", "Names, labels and newest values of metrics"),
    ("query", "Metrics over time"),
    ("pipeline", "The data's own path"),
    ("settings", "What people set, and tokens"),
    ("server", "This server"),
];

/// What the document says besides the routes.
pub fn base() -> OpenApi {
    let mut info = Info::new("Sentinel Mesh", "1");
    info.description = Some(
        "Reads what Sentinel Mesh knows of clusters. Lists come as pages with `next_page_token`; errors \
         are RFC 9457 problems; instants are RFC 3339 in UTC. A server that listens beyond this machine \
         asks for `Authorization: Bearer TOKEN`; a token has a role: a viewer reads, an operator also recounts and \
         puts dead letters back, an admin also changes settings. Live data comes by WebSocket at `/api/v1/ws`, \
         subprotocol `sentinel.v1`."
            .to_owned(),
    );
    let tags = TAGS.map(|(name, description)| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    });
    OpenApiBuilder::new().info(info).tags(Some(tags)).build()
}

/// Adds what all operations and all shapes have in common.
pub fn complete(mut document: OpenApi) -> OpenApi {
    let operations = document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.put, &mut item.post, &mut item.delete]
            .into_iter()
            .filter_map(|operation| operation.as_mut())
    });
    for operation in operations {
        add_problem(operation);
        for parameter in operation.parameters.iter_mut().flatten() {
            // A repeatable parameter may also be given not at all.
            if let RefOr::T(parameter) = parameter
                && matches!(parameter.schema, Some(RefOr::T(Schema::Array(_))))
            {
                parameter.required = Required::False;
            }
        }
    }
    if let Some(components) = document.components.as_mut() {
        components.schemas.insert(Problem::name().into_owned(), Problem::schema());
        let names: Vec<String> = components.schemas.keys().cloned().collect();
        for (name, schema) in &mut components.schemas {
            refer_to_rows(name, schema, &names);
            if !REQUESTS.contains(&name.as_str()) {
                require_all(schema);
            }
        }
    }
    document
}

fn add_problem(operation: &mut Operation) {
    let reference = RefOr::Ref(Ref::from_schema_name(Problem::name()));
    let response = ResponseBuilder::new()
        .description("What is wrong")
        .content("application/problem+json", ContentBuilder::new().schema(Some(reference)).build())
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}

/// The generator writes out the rows of a `Page<Row>`; a reference gives clients one type for each row.
fn refer_to_rows(name: &str, schema: &mut RefOr<Schema>, names: &[String]) {
    let Some(row) = name.strip_prefix("Page_").or_else(|| name.strip_prefix("Items_")) else { return };
    let RefOr::T(Schema::Object(page)) = schema else { return };
    if let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items")
        && names.iter().any(|name| name == row)
    {
        items.items = ArrayItems::RefOrSchema(Box::new(RefOr::Ref(Ref::from_schema_name(row))));
    }
}

fn require_all(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.required = object.properties.keys().cloned().collect();
        }
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(require_all),
        _ => {}
    }
}

/// The document as it is served and checked in.
pub fn render(document: &OpenApi) -> String {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}
