//! Functions of series, at a moment and over time.

use axum::Json;
use axum::extract::State;
use sentinel_model::MetricKind;

use crate::answers::{Asked, JsonBytes, Question, answer};
use crate::app::App;
use crate::dto::metric::{InstantAnswer, RangeAnswer};
use crate::error::ApiError;
use crate::params::{At, Expression, Params, Scope, Span, Steps};
use crate::query::{Ask, Chosen, Function, Plan, PlanError, instant, range};
use crate::scope::InScope as _;

use super::metrics::parse_selector;

/// A function of each chosen series at one moment.
#[utoipa::path(
    get,
    path = "/query",
    tag = "query",
    params(Scope, Expression, At),
    responses((status = 200, description = "Largest values first", body = InstantAnswer))
)]
pub async fn query_instant(
    State(app): State<App>,
    Params((scope, expression, at)): Params<(Scope, Expression, At)>,
) -> Result<Json<InstantAnswer>, ApiError> {
    let ask = ask(&app, &scope, expression).await?;
    Ok(Json(instant(app.source(), &ask, at.at.resolve(app.now())).await?))
}

/// A function of each chosen series over time.
#[utoipa::path(
    get,
    path = "/query_range",
    tag = "query",
    params(Scope, Expression, Span, Steps),
    responses((status = 200, description = "Largest averages first", body = RangeAnswer))
)]
pub async fn query_range(
    State(app): State<App>,
    Params((scope, expression, span, steps, question)): Params<(Scope, Expression, Span, Steps, Question)>,
) -> Result<JsonBytes, ApiError> {
    let (from, to) = span.resolve(app.now())?;
    let ask = ask(&app, &scope, expression).await?;
    // Only quantiles need other steps, and they are never chosen by kind.
    let plan = Plan::new(from, to, steps.step, ask.function.of(MetricKind::Unknown)).map_err(|error| {
        let field = if error == PlanError::Empty { "from" } else { "step" };
        ApiError::parameter(field, error.to_string())
    })?;
    // Whoever looks at the last minutes asks for the same steps until the next one begins.
    let (first_ms, end_ms) = (plan.from.as_millis(), plan.to.as_millis());
    let key = format!("{first_ms}/{end_ms}/{}/{}", plan.step_ms, question.0);
    let asked = Asked { route: "query_range", key, until: Some(plan.to) };
    answer(&app, asked, async { Ok(range(app.source(), &ask, plan).await?) }).await
}

/// Fills in what was left to choose.
async fn ask(app: &App, scope: &Scope, expression: Expression) -> Result<Ask, ApiError> {
    let selector = scope.narrow(parse_selector(&expression.selector)?)?;
    if selector.matchers().is_empty() {
        return Err(ApiError::parameter("match", "must choose something"));
    }
    let function = match expression.function {
        Some(function) => Chosen::One(function),
        None if selector.metric_name().is_none() => Chosen::ByKind,
        None => Chosen::One(Function::default_for(app.source().kind_of(&selector).await?)),
    };
    Ok(Ask {
        function,
        aggregation: expression.aggregate.unwrap_or_else(|| Ask::default_aggregation(&expression.by)),
        by: expression.by,
        limit: expression.limit as usize,
        selector,
    })
}
