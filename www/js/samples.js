// The posts a visitor finds on the noticeboard. Their ids are what ClickHouse counts by.

export const SAMPLES = [
  {
    id: "swifts-over-mill-lane",
    author: "Ines Okafor",
    place: "Mill Lane",
    text: "The swifts are back under the mill roof. Eleven at seven this morning, one more than last year.",
  },
  {
    id: "ferry-timetable",
    author: "Harbour office",
    place: "Pier 2",
    text: "From Monday the last ferry leaves at 22:40, not 22:10. The small boat still runs on request.",
  },
  {
    id: "lost-green-umbrella",
    author: "Tomasz Brandt",
    place: "Line 4",
    text: "Left on the tram on Thursday: a green umbrella with a wooden handle. It was my grandfather’s, and it leaks.",
  },
  {
    id: "bakery-rye-saturday",
    author: "Lindqvist Bakery",
    place: "Corn Market",
    text: "Rye on Saturdays again, from six until it is gone. Last week that took 52 minutes.",
  },
  {
    id: "choir-needs-basses",
    author: "St Anne’s choir",
    place: "Hall 1",
    text: "We have nineteen sopranos and two basses. If you can hold a low note, Tuesday at half past seven, there is soup.",
  },
  {
    id: "bridge-counter",
    author: "Cycle club",
    place: "East Bridge",
    text: "The counter on the bridge went past one million bicycles yesterday. Whoever was number 1,000,000: we owe you a bell.",
  },
];
