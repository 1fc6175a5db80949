
# tail.gp: the figure once more, as PNG.
set output
eval png
replot
set output
