# parallel.gp: what parallel.sql finds: a line a configuration, slow ones first, the best over them.
stats data using 'axis' nooutput
n_axes = STATS_max
stats data using 'percent' nooutput
low = STATS_min; high = STATS_max > STATS_min ? STATS_max : STATS_min + 1
set xrange [-0.75:n_axes + 0.7]
set yrange [-0.2:1.08]
set margins at screen 0.03, screen 0.97, screen 0.09, screen 0.80
set border 0
unset grid
unset tics
unset key
set style textbox opaque fillcolor rgb 0xffffff noborder margins 0.4, 0.3
set label 2 'colour is speed: blue is the best, vermilion the slowest of them' \
    at screen 0.03, screen 0.87 left font ',12'
do for [i = 0:int(n_axes)] {
    set arrow from i, 0 to i, 1 nohead linecolor rgb 0xdcdfe3 linewidth 1.4 back
}
mine(s, y) = strcol('series') eq s ? column(y) : NaN
heat(percent) = shade((percent - low) / (high - low))
eval svg
plot data using (mine('lines', 'axis')):'y':(heat(column('percent'))) \
        with lines linewidth 0.9 linecolor rgb variable, \
    data using (mine('lines', 'line') == 1 ? column('axis') : NaN):'y' \
        with linespoints pointtype 7 pointsize 0.5 linewidth 2.2 linecolor rgb palette[1], \
    data using (mine('values', 'axis') > 0 ? column('axis') : NaN):'y':(strcol('label')) \
        with labels left offset 0.5, 0 font ',10' boxed, \
    data using (mine('values', 'axis') > 0 ? NaN : mine('values', 'axis')):'y':(strcol('label')) \
        with labels right offset -0.7, 0 font ',10', \
    data using (mine('axes', 'axis')):'y':(strcol('label')) \
        with labels font n_axes > 5 ? ',11' : ',12'
