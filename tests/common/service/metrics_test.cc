#include "common/service/metrics.h"

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::service {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(MetricsTest, EveryLineIsPrometheusText) {
  Metrics metrics("shoal-test");
  metrics.Counter("shoal_things_total", "Things.", {{"kind", "quote\" and \\ and \n"}}).Increment();
  metrics.Gauge("shoal_level", "A level.").Set(-2.5);
  metrics.Histogram("shoal_wait_seconds", "Waiting.", LatencyBuckets()).Observe(0.03);
  metrics.GaugeFrom("shoal_read", "Read.", {{"a", "b"}}, [] { return 4.0; });
  const std::regex comment("# (HELP|TYPE) [a-z_]+ .+");
  const std::regex sample(R"re([a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)+\})? (-?[0-9.e+-]+|\+Inf))re");
  for (const std::string& line : Lines(metrics.Serialize())) {
    EXPECT_TRUE(std::regex_match(line, comment) || std::regex_match(line, sample)) << line;
  }
}

TEST(MetricsTest, BuildInfoNamesTheProgram) {
  Metrics metrics("shoal-test");
  EXPECT_THAT(metrics.Serialize(), HasSubstr("shoal_build_info{"));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("program=\"shoal-test\""));
}

TEST(MetricsTest, SameNameIsOneFamilyAndSameLabelsAreOneMetric) {
  Metrics metrics("shoal-test");
  metrics.Counter("shoal_x_total", "X.", {{"k", "a"}}).Increment();
  metrics.Counter("shoal_x_total", "X.", {{"k", "a"}}).Increment();
  metrics.Counter("shoal_x_total", "X.", {{"k", "b"}}).Increment(5);
  metrics.CounterFrom("shoal_y_total", "Y.", {{"k", "a"}}, [] { return 1.0; });
  metrics.CounterFrom("shoal_y_total", "Y.", {{"k", "b"}}, [] { return 2.0; });
  const std::vector<std::string> lines = Lines(metrics.Serialize());
  EXPECT_THAT(lines, Contains("shoal_x_total{k=\"a\"} 2"));
  EXPECT_THAT(lines, Contains("shoal_x_total{k=\"b\"} 5"));
  EXPECT_THAT(lines, Contains("shoal_y_total{k=\"a\"} 1"));
  EXPECT_THAT(lines, Contains("shoal_y_total{k=\"b\"} 2"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "# TYPE shoal_y_total counter"), 1);
}

TEST(MetricsTest, ValuesKeptElsewhereAreReadAtEveryScrape) {
  Metrics metrics("shoal-test");
  double value = 1;
  metrics.GaugeFrom("shoal_outside", "Outside.", {}, [&] { return value; });
  EXPECT_THAT(Lines(metrics.Serialize()), Contains("shoal_outside 1"));
  value = 2;
  EXPECT_THAT(Lines(metrics.Serialize()), Contains("shoal_outside 2"));
}

TEST(MetricsTest, HistogramBucketsAreCumulative) {
  Metrics metrics("shoal-test");
  auto& rows = metrics.Histogram("shoal_rows", "Rows.", BatchBuckets(), {{"stage", "ar_engine"}});
  rows.Observe(1);
  rows.Observe(3);
  rows.Observe(1000);
  const std::vector<std::string> lines = Lines(metrics.Serialize());
  EXPECT_THAT(lines, Contains("shoal_rows_bucket{stage=\"ar_engine\",le=\"1\"} 1"));
  EXPECT_THAT(lines, Contains("shoal_rows_bucket{stage=\"ar_engine\",le=\"2\"} 1"));
  EXPECT_THAT(lines, Contains("shoal_rows_bucket{stage=\"ar_engine\",le=\"512\"} 2"));
  EXPECT_THAT(lines, Contains("shoal_rows_bucket{stage=\"ar_engine\",le=\"+Inf\"} 3"));
  EXPECT_THAT(lines, Contains("shoal_rows_sum{stage=\"ar_engine\"} 1004"));
}

TEST(MetricsTest, BucketsAscend) {
  for (const MetricBuckets& buckets :
       {LatencyBuckets(), StepBuckets(), DurationBuckets(), RtfBuckets(), BatchBuckets()}) {
    EXPECT_TRUE(std::is_sorted(buckets.begin(), buckets.end()));
    EXPECT_EQ(std::set<double>(buckets.begin(), buckets.end()).size(), buckets.size());
  }
}

}  // namespace
}  // namespace shoal::service
