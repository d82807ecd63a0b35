/* SPDX-License-Identifier: MIT */
/* Curves as SVG, small enough to be kept beside the results. */
#include <math.h>

#include "tests/bench/bench.h"

#define WIDTH 560.0
#define HEIGHT 320.0
#define LEFT 64.0
#define BOTTOM 40.0
#define TOP 28.0
#define RIGHT 16.0
#define POINTS_MAX 120

struct frame {
    FILE *file;
    bool logarithmic;
    double x_least, x_most, y_least, y_most;
};

static double scale(const struct frame *frame, double value)
{
    return frame->logarithmic ? log10(value > 0 ? value : 1e-6) : value;
}

static double across(const struct frame *frame, double x)
{
    return LEFT + (scale(frame, x) - frame->x_least) / (frame->x_most - frame->x_least) *
                      (WIDTH - LEFT - RIGHT);
}

static double up(const struct frame *frame, double y)
{
    return HEIGHT - BOTTOM - (scale(frame, y) - frame->y_least) /
                                 (frame->y_most - frame->y_least) * (HEIGHT - BOTTOM - TOP);
}

static void measure(struct frame *frame, const struct bench_curve *curves, size_t count)
{
    size_t i, j;

    frame->x_least = frame->y_least = frame->logarithmic ? 1e300 : 0;
    frame->x_most = frame->y_most = -1e300;
    for (i = 0; i < count; i++) {
        for (j = 0; j < curves[i].count; j++) {
            frame->x_least = fmin(frame->x_least, scale(frame, curves[i].x[j]));
            frame->x_most = fmax(frame->x_most, scale(frame, curves[i].x[j]));
            frame->y_least = fmin(frame->y_least, scale(frame, curves[i].y[j]));
            frame->y_most = fmax(frame->y_most, scale(frame, curves[i].y[j]));
        }
    }
    if (frame->x_most <= frame->x_least)
        frame->x_most = frame->x_least + 1;
    if (frame->y_most <= frame->y_least)
        frame->y_most = frame->y_least + 1;
}

static void text(const struct frame *frame, double x, double y, const char *anchor,
                 const char *words)
{
    fprintf(frame->file, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
            words);
}

/* Both ends of both axes. */
static void draw_axes(const struct frame *frame, const char *x_label, const char *y_label)
{
    const double ends[] = {frame->x_least, frame->x_most, frame->y_least, frame->y_most};
    char words[4][32];
    size_t i;

    for (i = 0; i < 4; i++)
        (void)snprintf(words[i], sizeof(words[i]), "%.4g",
                       frame->logarithmic ? pow(10, ends[i]) : ends[i]);
    fprintf(frame->file,
            "<path d=\"M%.0f %.0fV%.0fH%.0f\" fill=\"none\" stroke=\"#000\"/>\n", LEFT, TOP,
            HEIGHT - BOTTOM, WIDTH - RIGHT);
    text(frame, LEFT, HEIGHT - BOTTOM + 14, "middle", words[0]);
    text(frame, WIDTH - RIGHT, HEIGHT - BOTTOM + 14, "end", words[1]);
    text(frame, LEFT - 4, HEIGHT - BOTTOM, "end", words[2]);
    text(frame, LEFT - 4, TOP + 10, "end", words[3]);
    text(frame, (LEFT + WIDTH) / 2, HEIGHT - 10, "middle", x_label);
    text(frame, LEFT - 4, (TOP + HEIGHT - BOTTOM) / 2, "end", y_label);
}

static void draw_point(const struct frame *frame, const struct bench_curve *curve, size_t i)
{
    fprintf(frame->file, "%.1f,%.1f ", across(frame, curve->x[i]), up(frame, curve->y[i]));
}

/* The last point in any case. */
static void draw_curve(const struct frame *frame, const struct bench_curve *curve, size_t index)
{
    static const char *const colours[] = {"#888", "#c22", "#26c", "#282", "#a60", "#608"};
    const char *colour = colours[index % (sizeof(colours) / sizeof(colours[0]))];
    size_t step = 1 + curve->count / POINTS_MAX, i;

    fprintf(frame->file, "<polyline fill=\"none\" stroke=\"%s\" points=\"", colour);
    for (i = 0; i + 1 < curve->count; i += step)
        draw_point(frame, curve, i);
    draw_point(frame, curve, curve->count - 1);
    fprintf(frame->file, "\"/>\n<text x=\"%.0f\" y=\"%.0f\" fill=\"%s\">%s</text>\n", LEFT + 10,
            TOP + 14 + 14 * (double)index, colour, curve->name);
}

void bench_plot(const char *name, const char *title, const char *x_label, const char *y_label,
                bool logarithmic, const struct bench_curve *curves, size_t count)
{
    struct frame frame = {.logarithmic = logarithmic};
    char file[96];
    size_t i;

    (void)snprintf(file, sizeof(file), "%s.svg", name);
    frame.file = bench_create(file);
    if (frame.file == NULL)
        return;
    measure(&frame, curves, count);
    fprintf(frame.file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
            "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" "
            "fill=\"#fff\"/>\n",
            WIDTH, HEIGHT);
    text(&frame, WIDTH / 2, 16, "middle", title);
    draw_axes(&frame, x_label, y_label);
    for (i = 0; i < count; i++)
        draw_curve(&frame, &curves[i], i);
    fprintf(frame.file, "</svg>\n");
    fclose(frame.file);
}
